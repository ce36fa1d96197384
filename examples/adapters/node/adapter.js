'use strict';

/*
 * An adapter for a Node client. It speaks the contract of docs/adapter.md.
 *
 *     tmcspec run --client "node examples/adapters/node/adapter.js"
 *
 * To hold another client, rewrite what stands under "The client". The rest knows nothing of it.
 */

const readline = require('node:readline');

const { TmcClient, TmcError } = require('./client.js');

// ---- The client ----------------------------------------------------------------------------------------------------

const CLIENT = { name: 'tmcspec example', version: '1', language: `javascript (Node ${process.version})` };
const CAPABILITIES = ['push', 'fail', 'raise', 'reconnect', 'graceful_stop']; // what is not here is never asked for
const GRACE = 3000; // milliseconds for handlers at the end; the contract gives five seconds from the end of input to the exit

function newClient(command) {
  const { url, group, app_key: appKey, app_secret: appSecret } = command;
  const client = new TmcClient({ url, appKey, appSecret, group, handler });
  client.on('online', () => say({ event: 'online' }));
  client.on('offline', (error) => say({ event: 'offline', error }));
  return client;
}

/* The handler, as a user of the library writes it. */
async function handler(message) {
  say({
    event: 'received',
    message_id: decimal(message.id),
    topic: message.topic,
    content: message.content,
    user_id: decimal(message.userId),
    nick: message.nick,
    publisher: message.publisher,
    data_id: decimal(message.dataId),
    publish_time: decimal(message.publishTime),
    outgoing_time: decimal(message.outgoingTime),
  });
  const { outcome, delay, reason, unusual } = told(message.content);
  if (delay > 0) await new Promise((resolve) => { setTimeout(resolve, delay); });
  if (outcome === 'hang') await new Promise(() => {});
  say({ event: 'handled', message_id: decimal(message.id), outcome }); // before the library can know
  // This library has one way to report a failure: to throw. One with another way uses that for `fail`.
  if (outcome === 'raise' && unusual) throw reason || undefined; // no Error, and nothing at all without a text
  if (outcome === 'fail' || outcome === 'raise') throw new Error(reason);
}

// ---- What the handler does: it is written in the message -----------------------------------------------------------

function told(content) {
  try {
    const { outcome = 'ok', delay_ms: delay = 0, reason, unusual = false } = JSON.parse(content).tmcspec;
    return { outcome, delay, reason: reason ?? '', unusual };
  } catch {
    return { outcome: 'ok', delay: 0 }; // an ordinary message
  }
}

// ---- Lines: one JSON object each -----------------------------------------------------------------------------------

// Standard output is ours alone: what a library logs goes to standard error.
console.log = console.info = console.debug = console.error;

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/* 64-bit integers are strings, because JSON readers round them. Of a number, all digits that it really has. */
function decimal(value) {
  return value === null ? null : BigInt(value).toString();
}

// ---- Operations ----------------------------------------------------------------------------------------------------

class Unsupported extends Error {}

let client = null;

/* What they return goes into the answer. */
const operations = {
  hello() {
    return { protocol: 1, client: CLIENT, capabilities: CAPABILITIES };
  },

  async start(command) {
    if (command.mode !== 'push') throw new Unsupported();
    client = newClient(command);
    await client.start();
  },

  /* Perhaps before a start has come to its end, which then throws. */
  async stop() {
    const stopped = client;
    client = null;
    await stopped?.stop(GRACE);
  },
};

async function obey(command) {
  try {
    if (!Object.hasOwn(operations, command.op)) throw new Unsupported();
    say({ id: command.id, status: 'result', ...await operations[command.op](command) });
  } catch (error) {
    if (error instanceof Unsupported) say({ id: command.id, status: 'unsupported' });
    else if (error instanceof TmcError) say({ id: command.id, status: 'raised', error: error.message, code: error.code });
    else say({ id: command.id, status: 'fault', error: error.stack });
  }
}

/* None waits for the one before. */
const commands = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
commands.on('line', (line) => {
  const command = JSON.parse(line);
  if (command.op === 'bye') {
    say({ id: command.id, status: 'result' });
    commands.close();
  } else {
    obey(command);
  }
});
commands.on('close', async () => {
  await operations.stop();
  process.exit(0);
});
