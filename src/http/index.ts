/** HTTP by node:http, on our connections. */
export { type FileOutcome, sendFile } from './send-file';
export type { SendFileOptions } from './send-file-options';
export { type FileListener, type ServeFilesOptions, serveFiles } from './serve-files';
export { serveHttp } from './serve-http';
export { serveHttps } from './serve-https';
