'use strict';

/*
 * A small TMC client, so that the adapter beside it has something to hold: it confirms after the handler, reports what
 * the handler throws, reconnects, and reads no more than it can handle. It neither publishes nor polls.
 *
 *     const client = new TmcClient({ url, appKey, appSecret, group, handler: async (message) => { … } });
 *     await client.start();   // throws when the first connection is refused
 *     await client.stop();
 */

const { createHash } = require('node:crypto');
const { EventEmitter } = require('node:events');
const { gunzipSync } = require('node:zlib');

const { encode, decode, CONNECT, CONNECTACK, SEND, VOID, STRING, BYTE, INT64 } = require('./frame.js');
const { open } = require('./websocket.js');

const PULL_REQUEST = 1;
const CONFIRM = 2;
const PUSH = 3;
const FAILED = 20;

const CAPACITY = 1000; // messages in hand: handled, or waiting for their answer to be sent
const CONNECT_TIMEOUT = 10_000; // milliseconds, for the upgrade and for the CONNECTACK
const RECONNECT_AFTER = 1000; // milliseconds at least, and twice as much by chance: not all clients at once
const PULL_INTERVAL = 15_000;
const SILENCE_LIMIT = 90_000; // the service answers no ping: only a fresh CONNECT shows that it is there
const MAX_CONTENT = 8 * 1024 * 1024; // bytes, unzipped
const MAX_REASON = 128; // characters

class TmcError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/* Emits 'online', and 'offline' with a reason. */
class TmcClient extends EventEmitter {
  #options;
  #socket = null; // of the connection
  #token = null; // of the connection: null until it is accepted
  #flag = 0;
  #paused = false;
  #heardAt = 0;
  #inHand = new Set(); // ids; the same message is not handled twice at a time
  #running = 0; // handlers
  #unsent = []; // answers that wait for a connection
  #stopping = false;

  constructor(options) {
    super();
    this.#options = options;
  }

  async start() {
    await this.#connect();
  }

  /* Handlers get `grace` milliseconds to end. What is not answered then, the service sends again. */
  async stop(grace = 3000) {
    this.#stopping = true;
    const end = performance.now() + grace;
    while (this.#running > 0 && performance.now() < end) await sleep(10);
    await this.#socket?.close();
  }

  // The connection

  /* One attempt: resolves when the service has accepted, rejects when it refuses or does not answer. */
  async #connect() {
    const socket = await open(this.#options.url, { timeout: CONNECT_TIMEOUT }).catch((error) => {
      throw new TmcError(error.message);
    });
    this.#socket = socket;
    this.#flag += 1;
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy('no CONNECTACK came'), CONNECT_TIMEOUT);
      const accepted = () => { clearTimeout(timer); resolve(); };
      socket.on('heard', () => { this.#heardAt = performance.now(); });
      socket.on('message', (data) => {
        try {
          this.#received(decode(data), { accepted, reject });
        } catch (error) {
          console.error(`ignored a frame: ${error.message}`);
        }
      });
      socket.on('close', (reason) => {
        clearTimeout(timer);
        this.#lost(reason);
        reject(new TmcError(reason)); // nothing, when it was accepted
      });
      socket.send(encode({ type: CONNECT, flag: this.#flag, fields: this.#credentials() }));
      if (this.#stopping) socket.destroy('the client was stopped');
    });
  }

  /* The secret stays here. Exactly three fields are signed. */
  #credentials() {
    const { appKey, appSecret, group } = this.#options;
    const timestamp = String(Date.now());
    const text = `${appSecret}app_key${appKey}group_name${group}timestamp${timestamp}${appSecret}`;
    const sign = createHash('md5').update(text, 'utf8').digest('hex').toUpperCase();
    return [
      ['app_key', STRING, appKey], ['group_name', STRING, group], ['timestamp', STRING, timestamp], ['sign', STRING, sign],
    ];
  }

  #received(frame, ends) {
    const { type, fields } = frame;
    if (type === CONNECTACK && this.#token === null && frame.flag === this.#flag) {
      this.#answered(frame, ends);
    } else if (type === SEND && fields.get('__kind') === PUSH && this.#token !== null) {
      if (typeof fields.get('id') === 'bigint') this.#pushed(fields); // else nobody could confirm it
    }
  }

  /* A success has a token, and no error. A phrase alone is an error, too. */
  #answered({ statusCode, statusPhrase, token }, { accepted, reject }) {
    if (statusCode > 0 || statusPhrase !== null || token === null) {
      reject(new TmcError(`the service refused the CONNECT: ${statusCode} ${statusPhrase}`, statusCode));
      this.#socket.destroy('the service refused the CONNECT');
      return;
    }
    this.#token = token;
    for (const answer of this.#unsent.splice(0)) this.#send(answer);
    this.#pull(this.#socket);
    this.emit('online');
    accepted();
  }

  async #lost(reason) {
    const wasOnline = this.#token !== null;
    this.#socket = this.#token = null;
    this.#paused = false;
    if (!wasOnline || this.#stopping) return;
    this.emit('offline', reason);
    for (let back = false; !back && !this.#stopping;) {
      await sleep(RECONNECT_AFTER * (1 + 2 * Math.random()));
      back = this.#stopping || await this.#connect().then(() => true, (error) => console.error(error.message));
    }
  }

  async #pull(socket) {
    for (;;) {
      await sleep(PULL_INTERVAL);
      if (this.#socket !== socket) return;
      if (this.#paused) continue; // whoever does not read hears nothing
      if (performance.now() - this.#heardAt > SILENCE_LIMIT) socket.destroy('the service is silent');
      else this.#say(PULL_REQUEST, []);
    }
  }

  // Messages

  async #pushed(fields) {
    const id = fields.get('id');
    if (this.#inHand.has(id) || this.#stopping) return;
    this.#inHand.add(id);
    this.#pauseOrResume();
    this.#running += 1;
    let answer;
    try {
      await this.#options.handler(message(fields));
      answer = { id, kind: CONFIRM, more: [] };
    } catch (error) {
      const reason = [...String(error?.message ?? error)].slice(0, MAX_REASON).join('');
      answer = { id, kind: FAILED, more: [['msg', reason ? STRING : VOID, reason]] };
    }
    this.#send(answer);
    this.#running -= 1;
  }

  /* With the token of the connection that there is now, and when there is none, of the next one. */
  #send(answer) {
    if (this.#token === null) {
      this.#unsent.push(answer);
      return;
    }
    this.#say(answer.kind, [['id', INT64, answer.id], ...answer.more], () => {
      this.#inHand.delete(answer.id);
      this.#pauseOrResume();
    });
  }

  #say(kind, fields, done) {
    this.#socket.send(encode({ type: SEND, token: this.#token, fields: [['__kind', BYTE, kind], ...fields] }), done);
  }

  /* TCP holds the service back, and nothing is lost. */
  #pauseOrResume() {
    const full = this.#inHand.size >= CAPACITY;
    if (full === this.#paused || this.#token === null) return;
    this.#paused = full;
    this.#heardAt = performance.now(); // nothing was heard while nobody listened
    if (full) this.#socket.pause();
    else this.#socket.resume();
  }
}

/* What the handler gets. Throws when the content cannot be unzipped. */
function message(fields) {
  const get = (name) => fields.get(name) ?? null;
  const content = get('content');
  return {
    id: get('id'),
    topic: get('topic'),
    content: Buffer.isBuffer(content) ? gunzipSync(content, { maxOutputLength: MAX_CONTENT }).toString('utf8') : content,
    userId: get('userid'),
    nick: get('nick'),
    publisher: get('publisher'),
    dataId: get('dataid'),
    publishTime: get('time'),
    outgoingTime: get('outtime'),
  };
}

function sleep(milliseconds) {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds); });
}

module.exports = { TmcClient, TmcError };
