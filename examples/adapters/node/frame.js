'use strict';

/*
 * The codec: one binary message is one frame (docs/wire.md). Integers are little-endian and signed.
 *
 * 64-bit integers are BigInt. As a number, an id of 19 digits becomes its neighbour, and that is what gets confirmed.
 */

const CONNECT = 0;
const CONNECTACK = 1;
const SEND = 2;

const VOID = 0;
const STRING = 1;
const BYTE = 2;
const INT64 = 5;

/* Headers: `flag` and `token`, when they are set. Fields: an array of [key, format, value]. */
function encode({ type, flag = 0, token = null, fields }) {
  const parts = [Buffer.from([2, type])];
  if (flag > 0) parts.push(int16(4), int32(flag));
  if (token !== null) parts.push(int16(5), counted(token));
  for (const [key, format, value] of fields) {
    parts.push(int16(1), counted(key), Buffer.from([format]), encodeValue(format, value));
  }
  parts.push(int16(0));
  return Buffer.concat(parts);
}

function encodeValue(format, value) {
  switch (format) {
    case VOID: return Buffer.alloc(0);
    case BYTE: return Buffer.from([value]);
    case INT64: return int64(value);
    default: return counted(value);
  }
}

/* Throws what it cannot read. A Map, so that no field is taken for a part of the envelope, whatever its name. */
function decode(data) {
  const reader = new Reader(data);
  reader.skip(1); // the version
  const frame = { type: reader.int(1), statusCode: 0, statusPhrase: null, flag: 0, token: null, fields: new Map() };
  for (;;) {
    switch (reader.int(2)) {
      case 0: return frame; // what follows is ignored
      case 1: frame.fields.set(reader.string(), reader.value()); break;
      case 2: frame.statusCode = reader.int(4); break;
      case 3: frame.statusPhrase = reader.string(); break;
      case 4: frame.flag = reader.int(4); break;
      case 5: frame.token = reader.string(); break;
      default: // unknown: the two bytes, and no more
    }
  }
}

class Reader {
  #data;
  #at = 0;

  constructor(data) { this.#data = data; }

  /* Where the next bytes begin. A length comes from outside: it is compared before anything is allocated. */
  skip(length) {
    const start = this.#at;
    if (length > this.#data.length - start) throw new RangeError(`${length} bytes at ${start}: the frame ends before`);
    this.#at += length;
    return start;
  }

  int(size) { return this.#data.readIntLE(this.skip(size), size); }

  long() { return this.#data.readBigInt64LE(this.skip(8)); }

  /* The bytes of something counted; null for a length below 0. */
  bytes() {
    const length = this.int(4);
    if (length < 0) return null;
    const start = this.skip(length);
    return this.#data.subarray(start, start + length);
  }

  string() { return this.bytes()?.toString('utf8') || null; }

  value() {
    switch (this.int(1)) {
      case 0: return null;
      case 2: return this.int(1);
      case 3: return this.int(2);
      case 4: return this.int(4);
      case 5: case 6: return this.long(); // a date is milliseconds since 1970
      case 7: return this.bytes();
      default: return this.string(); // an unknown format, too
    }
  }
}

function int16(value) { const data = Buffer.alloc(2); data.writeInt16LE(value); return data; }

function int32(value) { const data = Buffer.alloc(4); data.writeInt32LE(value); return data; }

function int64(value) { const data = Buffer.alloc(8); data.writeBigInt64LE(value); return data; }

function counted(text) { const data = Buffer.from(text, 'utf8'); return Buffer.concat([int32(data.length), data]); }

module.exports = { encode, decode, CONNECT, CONNECTACK, SEND, VOID, STRING, BYTE, INT64 };
