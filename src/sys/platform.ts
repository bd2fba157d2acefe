/**
 * Refuses to load on systems other than Linux, with a message that says so. Imported before koffi,
 * which would fail first, with another message.
 */
if (process.platform !== 'linux') {
  throw new Error(`epoll-ffi needs Linux: epoll does not exist on ${process.platform}`);
}
