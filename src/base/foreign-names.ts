/**
 * Names of options in `node:net`, `ws`, `node:dgram`, `chokidar` and `send`, by the class here that
 * does not have them. An error that only says "unrecognized" would leave users of those packages to
 * search. This file holds only words; nothing here is an option.
 */

/** The table of one owner of options: a foreign name, and its counterpart here. */
type ForeignNames = Readonly<Record<string, string>>;

const KEEP_ALIVE = 'connection.setKeepAlive()';
const ADDRESSES = 'node:dns, names are not looked up here';

const connections: ForeignNames = {
  timeout: 'idleTimeoutMs',
  keepAlive: KEEP_ALIVE,
  keepAliveInitialDelay: 'setSocketOption(connection.fd, "keepAliveIdleSeconds", n)',
  onread: 'handler',
};

const servers: ForeignNames = {
  ...connections,
  hostname: 'host',
  address: 'host',
  exclusive: 'reusePort',
  pauseOnConnect: 'connection.pause() in "connection"',
  signal: 'close() or shutdown()',
  blockList: 'connection.destroy() in "connection"',
};

const files: ForeignNames = {
  maxAge: 'cacheControl',
  immutable: 'cacheControl',
  acceptRanges: 'range',
  headers: 'response.setHeader() before',
  setHeaders: 'response.setHeader() before',
};

const FOREIGN_NAMES: Readonly<Record<string, ForeignNames>> = {
  TcpServer: { ...servers, path: 'UnixServer' },
  UnixServer: {
    ...servers,
    host: 'TcpServer',
    port: 'TcpServer',
    readableAll: 'chmod(2) of the path',
    writableAll: 'chmod(2) of the path',
  },
  TaskScheduler: {
    filename: 'module',
    maxThreads: 'threads',
    minThreads: 'threads; they start as tasks come',
    maxQueue: 'maxQueued',
    idleTimeout: 'idleTimeoutMs',
    niceIncrement: 'nice',
  },
  Prefork: {
    exec: 'module',
    workers: 'processes',
    port: 'listen',
    host: 'listen',
    instances: 'processes',
  },
  connect: {
    ...connections,
    timeout: 'connectTimeoutMs or idleTimeoutMs',
    hostname: 'host',
    family: ADDRESSES,
    lookup: ADDRESSES,
    hints: ADDRESSES,
    autoSelectFamily: ADDRESSES,
  },
  WebSocketServer: {
    ...servers,
    verifyClient: 'authorize',
    maxPayload: 'maxMessageBytes',
    handleProtocols: 'protocols',
    noServer: 'server',
    clientTracking: 'clients, which is always kept',
    perMessageDeflate: 'nothing: messages are not compressed',
    skipUTF8Validation: 'nothing: text is always checked',
    autoPong: 'nothing: pings are always answered',
    heartbeatInterval: 'pingIntervalMs',
    idleTimeout: 'pingIntervalMs or idleTimeoutMs',
  },
  'WebSocketConnection.send': {
    compress: 'nothing: messages are not compressed',
    mask: 'nothing: servers do not mask',
    fin: 'nothing: messages are sent whole',
  },
  DatagramSocket: {
    type: 'family',
    reuseAddr: 'reuseAddress',
    address: 'bind or connect',
    port: 'bind or connect',
    host: 'bind or connect',
    lookup: ADDRESSES,
    signal: 'close()',
    recvBufferSize: 'setSocketOption(socket.fd, "receiveBufferBytes", n)',
    sendBufferSize: 'setSocketOption(socket.fd, "sendBufferBytes", n)',
  },
  InotifyTree: {
    ignored: 'ignore',
    persistent: 'unref()',
    ignoreInitial: 'tellExisting',
    awaitWriteFinish: 'the record "closeWrite"',
    recursive: 'nothing: a tree always is',
    usePolling: 'nothing: the kernel says what changes',
  },
  Inotify: { recursive: 'InotifyTree', ignored: 'InotifyTree', persistent: 'unref()' },
  sendFile: { ...files, root: 'serveFiles', dotfiles: 'serveFiles' },
  serveFiles: {
    ...files,
    root: 'the first argument',
    extensions: 'nothing: a path names its file',
    fallthrough: 'nothing: look at the outcome',
  },
};

/** The counterpart in `owner` of the foreign option `name`; undefined if it is not in the table. */
export function foreignName(owner: string, name: string): string | undefined {
  const names = FOREIGN_NAMES[owner];
  return names !== undefined && Object.hasOwn(names, name) ? names[name] : undefined;
}
