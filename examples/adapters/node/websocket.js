'use strict';

/*
 * The client side of WebSocket (RFC 6455), as far as TMC needs it: binary messages over ws://, no extensions.
 *
 *     const socket = await open('ws://127.0.0.1:8090/', { timeout: 10_000 });
 *     socket.on('message', (data) => …);     // a Buffer; text messages are dropped
 *     socket.on('heard', () => …);           // bytes came, whatever they are
 *     socket.on('close', (reason) => …);     // once, whoever closed
 *     socket.send(data, () => …);            // written, or lost with the connection
 */

const { createHash, randomBytes } = require('node:crypto');
const { EventEmitter } = require('node:events');
const net = require('node:net');

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const MAX_HEAD = 16 * 1024; // bytes of the answer to the upgrade
const MAX_MESSAGE = 8 * 1024 * 1024; // bytes; what is longer ends the connection
const CLOSE_TIMEOUT = 2000; // milliseconds for the other side to answer a Close

const CONTINUATION = 0;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

class WebSocket extends EventEmitter {
  #socket;
  #chunks = []; // bytes that came and are not a whole frame yet
  #size = 0;
  #needed = 2; // bytes until there is anything to look at
  #parts = null; // of a message in fragments: {binary, size, data}
  #reason = 'the connection ended';

  constructor(socket, rest) {
    super();
    this.#socket = socket;
    socket.on('data', (data) => this.#read(data));
    socket.on('error', (error) => { this.#reason = error.message; });
    socket.on('close', () => this.emit('close', this.#reason));
    if (rest.length > 0) socket.unshift(rest);
  }

  send(data, done) {
    this.#write(BINARY, data, done);
  }

  /* Stops reading: TCP holds the other side back. What was read already is still handed over, 64 KiB at most. */
  pause() { this.#socket.pause(); }

  resume() { this.#socket.resume(); }

  /* Says goodbye, and waits a moment for the other side to do so. */
  async close() {
    if (this.#socket.destroyed) return;
    const closed = new Promise((resolve) => { this.#socket.once('close', resolve); });
    this.#write(CLOSE, Buffer.from([1000 >> 8, 1000 & 0xff]));
    this.#socket.resume();
    const timer = setTimeout(() => this.destroy('no answer to the Close'), CLOSE_TIMEOUT);
    await closed;
    clearTimeout(timer);
  }

  destroy(reason) {
    this.#reason = reason;
    this.#socket.destroy();
  }

  /* Client frames are masked, each with a key of its own. */
  #write(opcode, data, done) {
    let head = Buffer.from([0x80 | opcode, 0x80 | data.length]);
    if (data.length > 0xffff) {
      head = Buffer.from([0x80 | opcode, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeBigUInt64BE(BigInt(data.length), 2);
    } else if (data.length > 125) {
      head = Buffer.from([0x80 | opcode, 0xfe, data.length >> 8, data.length & 0xff]);
    }
    const key = randomBytes(4);
    const masked = Buffer.from(data.map((byte, at) => byte ^ key[at & 3]));
    this.#socket.write(Buffer.concat([head, key, masked]), done);
  }

  #read(data) {
    this.emit('heard');
    this.#chunks.push(data);
    this.#size += data.length;
    if (this.#size < this.#needed) return;
    let buffer = Buffer.concat(this.#chunks);
    try {
      for (let length; (length = this.#frame(buffer)) > 0;) buffer = buffer.subarray(length);
    } catch (error) {
      this.destroy(error.message);
    }
    this.#chunks = [buffer];
    this.#size = buffer.length;
  }

  /* Takes the frame at the beginning of the buffer. Returns its length; 0 when it is not all there yet. */
  #frame(buffer) {
    const incomplete = (needed) => { this.#needed = needed; return 0; };
    if (buffer.length < 2) return incomplete(2);
    let length = buffer[1]; // with the mask bit: a masked frame of a service is longer than we read
    let start = 2;
    if (length === 126) start = 4;
    if (length === 127) start = 10;
    if (buffer.length < start) return incomplete(start);
    if (length === 126) length = buffer.readUInt16BE(2);
    if (length === 127) length = Number(buffer.readBigUInt64BE(2));
    if (buffer[1] > 127 || (buffer[0] & 0x70) !== 0) throw new Error('a frame that is masked, or of an extension');
    if (length > MAX_MESSAGE) throw new Error(`a frame of ${length} bytes; ${MAX_MESSAGE} are allowed`);
    if (buffer.length < start + length) return incomplete(start + length);
    this.#needed = 2;
    this.#act(buffer[0] & 0x0f, (buffer[0] & 0x80) !== 0, buffer.subarray(start, start + length));
    return start + length;
  }

  #act(opcode, final, data) {
    if (opcode === CLOSE) {
      const code = data.length < 2 ? 'no code' : data.readUInt16BE(0);
      this.#reason = `closed by the service: ${code} ${data.toString('utf8', 2)}`;
      this.#write(CLOSE, data.subarray(0, 2));
      this.#socket.end();
    } else if (opcode === PING) {
      this.#write(PONG, data);
    } else if (opcode < CLOSE) {
      if (opcode !== CONTINUATION) this.#parts = { binary: opcode === BINARY, size: 0, data: [] };
      if (this.#parts === null) throw new Error('a continuation of nothing');
      this.#parts.data.push(data);
      this.#parts.size += 1 + data.length; // so that empty fragments come to an end, too
      if (this.#parts.size > MAX_MESSAGE) throw new Error(`a message of more than ${MAX_MESSAGE} bytes`);
      if (final) {
        const { binary, data: parts } = this.#parts;
        this.#parts = null;
        if (binary) this.emit('message', Buffer.concat(parts));
      }
    }
  }
}

/* Connects. Rejects when nobody answers within `timeout` milliseconds, or with anything but a WebSocket. */
function open(url, { timeout }) {
  const { hostname, port, pathname, search } = new URL(url);
  const key = randomBytes(16).toString('base64');
  const accept = createHash('sha1').update(key + GUID).digest('base64');
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: hostname, port: Number(port || 80) });
    const fail = (reason) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new Error(reason));
    };
    const timer = setTimeout(fail, timeout, `${url} does not answer within ${timeout} ms`);
    socket.once('error', (error) => fail(`${url}: ${error.message}`));
    socket.once('end', () => fail(`${url} hung up before it answered`));
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port || 80}\r\nUpgrade: websocket\r\n`
      + `Connection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    let head = Buffer.alloc(0);
    socket.on('data', function look(data) {
      head = Buffer.concat([head, data]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length < MAX_HEAD) return;
      const lines = head.toString('latin1', 0, Math.max(end, 0)).split('\r\n');
      const accepted = lines.some((line) => /^sec-websocket-accept:/i.test(line) && line.slice(21).trim() === accept);
      if (!/^HTTP\/1\.1 101\b/.test(lines[0]) || !accepted) {
        fail(`${url} is no WebSocket: it answers ${JSON.stringify(lines[0].slice(0, 100))}`);
        return;
      }
      clearTimeout(timer);
      socket.removeAllListeners();
      resolve(new WebSocket(socket, head.subarray(end + 4)));
    });
  });
}

module.exports = { open };
