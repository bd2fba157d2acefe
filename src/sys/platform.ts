/**
 * Refuses to load on systems other than Linux, with a message that says so. Imported before koffi,
 * which would fail first, with another message.
 */
import { wrongPlatform } from '../base/errors';

if (process.platform !== 'linux') {
  throw wrongPlatform(process.platform);
}
