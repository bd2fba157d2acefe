/** A program in TypeScript that uses the installed package, and what the compiler says of it. */
import { join } from 'node:path';
import ts from 'typescript';
import { ROOT } from './child';

/** Uses the package in many ways; each `@ts-expect-error` is a mistake that the types must find. */
export const CONSUMER = `import { type ConnectionHandler, constants, Epoll, EventLoop, type EventLoopStats, FdDuplex, FdWatcher, type FileOutcome, sendFile, serveFiles, serveHttp, type ShutdownResult, sys, SystemError, TcpServer, watch, WebSocketServer } from 'epoll-ffi';
     import { Epoll as Compat } from 'epoll-ffi/compat/epoll';

     export function three(fd: number): number[] {
       using epoll = new Epoll({ maxEvents: 16 });
       epoll.add(fd, (constants.EPOLLIN | constants.EPOLLET) >>> 0);
       return [...epoll.wait({ timeoutMs: 10 })].map(({ fd: ready, events }) => ready + events);
     }
     const loop = new EventLoop({ waiter: 'thread', spinUs: 0 });
     export const stats: EventLoopStats = loop.stats();
     export const watcher: FdWatcher = watch(0, { readable: true, edge: true, loop });
     watcher.on('readable', (events: number) => events).on('error', (error: Error) => error.message);
     export async function iterate(): Promise<void> {
       for await (const events of watcher) if ((events & constants.EPOLLHUP) !== 0) break;
     }
     const handler: ConnectionHandler = { onData: (connection, chunk) => void connection.write(chunk.toString()) };
     export const server = new TcpServer({ port: 0, handler });
     server.on('connection', (connection) => connection.on('close', (error) => error?.message));
     export const stop = (): Promise<ShutdownResult> => server.shutdown({ deadlineMs: 100 });
     export const stream = new FdDuplex({ readFd: 0, writeFd: 1 }, { ownsFd: false }).setNoDelay();
     export const site = serveHttp(server).on('request', serveFiles('.', { index: false }));
     site.on('request', (_request, response): Promise<FileOutcome> => sendFile(response, 'a', { etag: '"1"' }));
     export const chat = new WebSocketServer({ port: 0, authorize: async ({ headers }) => headers.origin !== undefined });
     chat.on('connection', (socket, { url }) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })) && url);
     try { sys.unwrap(sys.listen(1, 1), 'listen'); } catch (error) { if (error instanceof SystemError) error.code satisfies string; }
     export const compat = new Compat((error, ready, events) => error?.message ?? ready + events).add(0, Compat.EPOLLPRI);
     // @ts-expect-error an option that does not exist
     export const wrong = () => new TcpServer({ port: 0, prot: 1 });
     // @ts-expect-error a mask is a number
     export const wrongMask = () => new Epoll().add(0, 'in');`;
/** Parsed once for all programs: Node's types and the libraries. */
const shared = new Map<string, ts.SourceFile | undefined>();

/** A strict program of one file, as its user's compiler sees it. */
export function compile(folder: string, file: string, options: ts.CompilerOptions): ts.Program {
  const all: ts.CompilerOptions = {
    ...options,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    noEmit: true,
    skipLibCheck: false,
    strict: true,
    target: ts.ScriptTarget.ES2022,
    typeRoots: [join(ROOT, 'node_modules/@types')],
    types: ['node'],
  };
  const host = ts.createCompilerHost(all);
  const read = host.getSourceFile.bind(host);
  host.getCurrentDirectory = () => folder;
  host.getSourceFile = (name, language, ...rest) => {
    if (!name.startsWith(ROOT)) return read(name, language, ...rest);
    const format = typeof language === 'object' ? language.impliedNodeFormat : undefined;
    const key = `${name} ${format}`;
    if (!shared.has(key)) shared.set(key, read(name, language, ...rest));
    return shared.get(key);
  };
  return ts.createProgram([join(folder, file)], all, host);
}

/** Of the program's file and of our types, which `skipLibCheck` would skip; not of Node's or zod's. */
export function complaintsOf(folder: string, program: ts.Program): string[] {
  return program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(folder))
    .filter(({ fileName }) => !/node_modules\/(?!epoll-ffi)/.test(fileName))
    .flatMap((source) => [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ])
    .map(
      ({ file, messageText }) =>
        `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
}
