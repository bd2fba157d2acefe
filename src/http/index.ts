/** HTTP by node:http, on our connections. */
export { type FileOutcome, sendFile } from './files/send-file';
export type { SendFileOptions } from './files/send-file-options';
export { type FileListener, type ServeFilesOptions, serveFiles } from './files/serve-files';
export { serveHttp } from './server/serve-http';
export { type Http2Listener, type SecureHttp2Options, serveHttps } from './server/serve-https';
