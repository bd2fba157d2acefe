/** What many bytes are compared by: a difference is a line then, and not megabytes. */
import { createHash } from 'node:crypto';

export const sha = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
