/** HTTP by node:http, on our connections. */
export { serveHttp } from './serve-http';
