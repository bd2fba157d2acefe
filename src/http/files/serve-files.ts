/**
 * A folder as a web site: a listener of requests that answers each with a file beneath a root.
 *
 * Whatever the request says, only regular files whose true place is beneath the root are opened
 * (see regular-file.ts). This file decides what is answered; sendFile does it.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { parseOptions } from '../../base/options';
import { wantFileFds } from '../file-fds';
import { waitForTurn } from '../response-events';
import { endResponse } from './file-body';
import { openFile, type RegularFile } from './regular-file';
import { parseRequestPath, queryOf } from './request-path';
import { RootFolder } from './root-folder';
import { type FileOutcome, sendOpenFile, unsent } from './send-file';
import { type SendFileOptions, sendFileOptionFields, typeOfPath } from './send-file-options';

/** Options of {@link serveFiles}. */
export interface ServeFilesOptions extends Omit<SendFileOptions, 'contentType'> {
  /** The file that answers for its folder; `index.html` if not given, false for none. */
  index?: string | false;
  /** Names that begin with a dot: `'ignore'`, the default, answers 404; `'allow'` serves them. */
  dotfiles?: 'ignore' | 'allow';
  /** `Cache-Control` of the files, such as `public, max-age=3600`; none if not given. */
  cacheControl?: string;
}

/** The listener of {@link serveFiles}: it resolves to the outcome of a request. */
export type FileListener = (
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<FileOutcome>;

const schema = z.strictObject({
  ...sendFileOptionFields,
  index: z
    .union([z.literal(false), z.string().regex(/^[^/\0]+$/, { error: 'expected a name' })])
    .default('index.html'),
  dotfiles: z.enum(['ignore', 'allow']).default('ignore'),
  cacheControl: z.string().min(1).optional(),
});

type Settings = z.output<typeof schema>;

/** The status for an error of openFile; 500 for all others. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  ENOENT: 404,
  ENOTDIR: 404,
  ENAMETOOLONG: 404,
  ELOOP: 404,
  EISDIR: 404,
  EACCES: 403,
  EPERM: 403,
  // Its path is beneath the root, but its true place is not; and FIFOs, sockets, devices.
  EXDEV: 403,
  EINVAL: 403,
  // It exists, but cannot be opened just now.
  EMFILE: 503,
  ENFILE: 503,
  // The root itself: see RootFolder.
  ESTALE: 503,
};

/**
 * A listener for the `request` event of an `http.Server`. It answers GET and HEAD with the files of
 * the folder `root`: with ranges, conditions, `index.html` for a folder, and a redirect to "/name/"
 * for a folder "/name". It does not serve names that begin with a dot, paths that lead out of the
 * root, and files that are not regular.
 *
 * The root is the folder that is at the path now. If another folder takes its place, also one that
 * was made anew with the same name, the answer is 503 until the root is back, and the outcome's
 * error is ESTALE. For a new folder make a new listener.
 *
 * The listener's promise never rejects: it resolves to the answer's status, and the error if no
 * file was sent. See {@link FileOutcome}. Throws ENOENT or ENOTDIR of the root, and a TypeError
 * that names a wrong option.
 */
export function serveFiles(root: string, options: ServeFilesOptions = {}): FileListener {
  const settings = parseOptions('serveFiles', schema, options);
  const folder = new RootFolder(root);
  wantFileFds();
  return (request, response) => answer(request, response, folder, settings);
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  root: RootFolder,
  settings: Settings,
): Promise<FileOutcome> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return refuse(response, 405);
  }
  const path = parseRequestPath(request.url ?? '');
  if (typeof path === 'number') return refuse(response, path);
  const names = [...path.names];
  if (settings.dotfiles === 'ignore' && names.some((name) => name.startsWith('.'))) {
    return refuse(response, 404);
  }
  if (path.isFolder) {
    if (settings.index === false) return refuse(response, 404);
    names.push(settings.index);
  }
  try {
    return await sendBeneath(response, root, names, settings);
  } catch (error) {
    return onFailure(response, error, path);
  }
}

async function sendBeneath(
  response: ServerResponse,
  root: RootFolder,
  names: string[],
  { cacheControl, range, etag, lastModified }: Settings,
): Promise<FileOutcome> {
  if (!(await waitForTurn(response))) return unsent(response);
  const file = await openBeneath(root, names);
  if (cacheControl !== undefined) response.setHeader('Cache-Control', cacheControl);
  const contentType = typeOfPath(names.at(-1) ?? null);
  return sendOpenFile(response, file, { range, etag, lastModified, contentType });
}

/** If another folder took the root's place, the error is ESTALE, also for a missing file. */
async function openBeneath(root: RootFolder, names: string[]): Promise<RegularFile> {
  let file: RegularFile | null = null;
  try {
    file = await openFile(join(root.path, ...names), root.bytes);
    root.check();
    return file;
  } catch (error) {
    file?.close();
    root.check();
    throw error;
  }
}

function onFailure(
  response: ServerResponse,
  thrown: unknown,
  { names, isFolder }: { names: string[]; isFolder: boolean },
): Promise<FileOutcome> {
  const error = thrown as Error & { code?: string };
  const name = names.at(-1);
  if (error.code === 'EISDIR' && !isFolder && name !== undefined) return redirect(response, name);
  return refuse(response, STATUS_OF_CODE[error.code ?? ''] ?? 500, error);
}

/**
 * Redirect to the folder's own URL, to which the links on its page are relative. A relative
 * redirect cannot leave this host.
 */
function redirect(response: ServerResponse, name: string): Promise<FileOutcome> {
  const query = queryOf(response.req.url ?? '');
  response.setHeader('Location', `./${encodeURIComponent(name)}/${query}`);
  return refuse(response, 301);
}

/** Answer with a status and its name. */
async function refuse(
  response: ServerResponse,
  statusCode: number,
  reason?: Error,
): Promise<FileOutcome> {
  if (response.headersSent || response.writableEnded) {
    return { statusCode: response.statusCode, complete: false, error: reason };
  }
  const text = `${STATUS_CODES[statusCode]}\n`;
  response.writeHead(statusCode, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': text.length,
  });
  const error = await endResponse(response, text);
  return { statusCode, complete: error === undefined, error: error ?? reason };
}
