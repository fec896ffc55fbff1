/**
 * The smallest server that answers POST /logs: it counts bytes, checks nothing and stores nothing. The rate of the generator
 * against it is the highest that the generator can report. It prints its port, and ends when its stdin ends.
 */
import { createServer, type Socket } from 'node:net';

const ANSWER = 'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"accepted":1000}';

const server = createServer({ noDelay: true }, serve).listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) process.stdout.write(`${address.port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();

function serve(socket: Socket): void {
  let missing = 0;
  let head = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    let at = 0;
    while (at < bytes.length) {
      if (missing > 0) {
        const taken = Math.min(missing, bytes.length - at);
        missing -= taken;
        at += taken;
      } else {
        const end = bytes.indexOf('\r\n\r\n', at);
        head += bytes.toString('latin1', at, end < 0 ? bytes.length : end);
        if (end < 0) return;
        missing = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        head = '';
        at = end + 4;
      }
      if (missing === 0) socket.write(ANSWER);
    }
  });
}
