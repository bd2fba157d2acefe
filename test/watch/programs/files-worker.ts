/** Cases for a worker thread, see test/support/worker.ts: each posts one text, and then ends. */
import { closeSync, mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { formatEvents } from '../../../src/epoll/interest';
import { defaultLoop } from '../../../src/loop/default-loop';
import { EventLoop } from '../../../src/loop/event-loop';
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  F_DUPFD_CLOEXEC,
  O_CLOEXEC,
  O_NONBLOCK,
} from '../../../src/sys/constants';
import { pipe2 } from '../../../src/sys/fds';
import { close, eventfd, fcntl } from '../../../src/sys/io';
import { own } from '../../../src/sys/ownership';
import { FdWatcher } from '../../../src/watch/fd-watcher';
import { Inotify } from '../../../src/watch/inotify/inotify';
import { InotifyTree } from '../../../src/watch/inotify/tree';
import { PressureMonitor } from '../../../src/watch/sources/pressure';
import { RouteMonitor } from '../../../src/watch/sources/route-monitor';
import { FdReader } from '../../../src/watch/stream/fd-reader';
import { Pipe } from '../../../src/watch/stream/pipe';
import { Pty } from '../../../src/watch/stream/pty';
import { RawMode } from '../../../src/watch/stream/raw-mode';

const { name, argument } = workerData as { name: string; argument: string };

const cases: Record<string, () => Promise<string>> = {
  async inotify() {
    const inotify = new Inotify();
    inotify.add(argument, { events: ['closeWrite'] });
    writeFileSync(join(argument, 'file'), '');
    for await (const record of inotify) {
      if (record.kind === 'closeWrite') return `${record.kind} ${record.name}`;
    }
    return 'ended';
  },

  async inotifyTree() {
    const tree = new InotifyTree(argument);
    mkdirSync(join(argument, 'a/b'), { recursive: true });
    writeFileSync(join(argument, 'a/b/file'), '');
    for await (const record of tree) {
      if (record.kind === 'create' && record.found && record.path.endsWith('file')) {
        return 'found file';
      }
    }
    return 'ended';
  },

  async pipe() {
    const pipe = new Pipe();
    pipe.writer.end('through a pipe');
    let text = '';
    for await (const chunk of pipe.reader) text += chunk;
    return text;
  },

  async failedReader() {
    const loop = new EventLoop();
    loop.close();
    const fds = new Int32Array(2);
    pipe2(fds, O_CLOEXEC | O_NONBLOCK);
    const [reader, writer] = fds as unknown as [number, number];
    own(reader);
    let code = '';
    try {
      new FdReader(reader, { loop });
    } catch (error) {
      code = (error as { code: string }).code;
    }
    // The number is free, and now somebody else's.
    const other = fcntl(writer, F_DUPFD_CLOEXEC, reader);
    close(writer);
    return `${code} ${other === reader} ${other}`;
  },

  async pty() {
    const pty = new Pty();
    const slave = pty.openSlave();
    writeSync(slave, 'through a terminal');
    closeSync(slave);
    let text = '';
    for await (const chunk of pty) text += chunk;
    return text;
  },

  async rawMode() {
    const pty = new Pty();
    const slave = pty.openSlave();
    using _raw = new RawMode(slave);
    const keys = new FdReader(slave);
    pty.write('k');
    for await (const key of keys) {
      pty.close();
      return `key ${key}`;
    }
    return 'ended';
  },

  async watcher() {
    const fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const watcher = new FdWatcher(fd, { writable: true, autoClose: true });
    for await (const events of watcher) return formatEvents(events);
    return 'ended';
  },

  async routeMonitor() {
    const monitor = new RouteMonitor();
    for await (const record of monitor) {
      if (record.kind === 'link' && record.name === 'lo') return record.name;
    }
    return 'ended';
  },

  async pressure() {
    using monitor = new PressureMonitor({ resource: 'memory', stallUs: 1_900_000 });
    return `${typeof monitor.reading.some?.total}`;
  },
};

void cases[name]?.().then(async (text) => {
  parentPort?.postMessage(text);
  defaultLoop().close();
});
