'use strict';

/*
 * Puts the npm package jyh-taobao-topsdk under test. It speaks the adapter contract: one JSON object a line,
 * commands on standard input, answers and events on standard output, log on standard error.
 *
 *     npm ci && node adapter.js
 *     TMCSPEC_PEER_MODULES=/somewhere/node_modules node adapter.js
 *
 * The library is used as its README shows and no defect of it is hidden: what kills a process that uses it kills
 * this one.
 */

const readline = require('node:readline');

const PACKAGE = 'jyh-taobao-topsdk';
const IN_FLIGHT_MS = 4000; // the contract gives five seconds from the end of input to exit

// The library reports on console.log only, and standard output is not for that.
const CONNECTED = 'top message channel connect success';
const LOST = 'tmc client channel closed';
const FAILED = 'tmc client error';
console.log = (...values) => {
  console.error(...values);
  observe(String(values[0]));
};

const { TmcClient } = required(PACKAGE);
const { version } = required(`${PACKAGE}/package.json`);

let starting = null; // the start command that waits for the first connection
let started = false;
let online = false;
let lastError = null;
let working = 0; // handlers that still take their time

function required(name) {
  const folder = process.env.TMCSPEC_PEER_MODULES;
  try {
    return require(folder ? require.resolve(name, { paths: [folder] }) : name);
  } catch (error) {
    const where = folder ? `in TMCSPEC_PEER_MODULES=${folder}` : `beside ${__filename}`;
    console.error(`cannot load ${name} ${where}: ${error.message}\nRun npm ci beside the adapter's package.json, `
      + 'or let TMCSPEC_PEER_MODULES name the node_modules folder that has it.');
    process.exit(1);
  }
}

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function answer(command, status, members) {
  say({ id: command.id, status, ...members });
}

/* The only signs of a connection that the library gives its user. */
function observe(text) {
  if (text.startsWith(CONNECTED)) {
    online = true;
    lastError = null;
    say({ event: 'online' });
    if (starting) {
      answer(starting, 'result');
      starting = null;
    }
  } else if (text.startsWith(FAILED)) {
    lastError = text;
  } else if (text.startsWith(LOST) && online) {
    online = false;
    say({ event: 'offline', error: lastError });
  }
}

/* Integers of the library are doubles: all digits of the double, whether it is the number that was sent or not. */
function decimal(value) {
  if (typeof value === 'number' && Number.isInteger(value)) {
    return BigInt(value).toString();
  }
  return typeof value === 'string' && /^-?(0|[1-9][0-9]{0,19})$/.test(value) ? value : null;
}

function text(value) {
  if (value === undefined || value === null) {
    return null;
  }
  return decimal(value) ?? String(value);
}

/* What the message asks of the handler: {"tmcspec": {"outcome", "delay_ms", …}} in its content. */
function wish(message) {
  try {
    const { outcome = 'ok', delay_ms: delay = 0, reason = '', unusual = false } = JSON.parse(message.content).tmcspec;
    return { outcome, delay, reason, unusual };
  } catch {
    return { outcome: 'ok', delay: 0, reason: '', unusual: false };
  }
}

/*
 * The handler. With a delay or a hang it is an asynchronous function, as users of Node write them; the library
 * does not wait for the promise.
 */
function handle(message, status) {
  say({
    event: 'received',
    message_id: decimal(message.id),
    topic: text(message.topic),
    content: text(message.content),
    user_id: decimal(message.userid),
    nick: text(message.nick),
    publisher: text(message.publisher),
    data_id: text(message.dataid),
    publish_time: decimal(message.time),
    outgoing_time: decimal(message.outtime),
  });
  const { outcome, delay, reason, unusual } = wish(message);
  if (outcome === 'hang') {
    return new Promise(() => {});
  }
  if (delay > 0) {
    return handleLater(message, status, outcome, delay, reason, unusual);
  }
  return finish(message, status, outcome, reason, unusual);
}

async function handleLater(message, status, outcome, delay, reason, unusual) {
  working += 1;
  await new Promise((resolve) => { setTimeout(resolve, delay); });
  working -= 1;
  finish(message, status, outcome, reason, unusual);
}

function finish(message, status, outcome, reason, unusual) {
  say({ event: 'handled', message_id: decimal(message.id), outcome });
  if (outcome === 'fail') {
    status.success = false;
  } else if (outcome === 'raise' && unusual) {
    throw reason || undefined; // no Error, and nothing at all without a text
  } else if (outcome === 'raise') {
    throw new Error(reason || 'raised as the message asks');
  }
}

function leave() {
  const limit = Date.now() + IN_FLIGHT_MS;
  const look = () => {
    if (working === 0 || Date.now() >= limit) {
      process.exit(0);
    }
    setTimeout(look, 10);
  };
  look();
}

const operations = {
  hello(command) {
    answer(command, 'result', {
      protocol: 1,
      client: { name: PACKAGE, version, language: `javascript (Node ${process.version})` },
      capabilities: ['push', 'fail', 'raise', 'reconnect'],
    });
  },

  /*
   * Answered when the library says that it is connected. It says nothing of a refusal: a CONNECTACK with an error
   * code is thrown in its WebSocket listener and ends the process; when nobody listens it tries again for ever.
   */
  start(command) {
    if (command.mode !== 'push') {
      answer(command, 'unsupported', { error: 'the library cannot poll' });
      return;
    }
    if (started) {
      answer(command, 'unsupported', { error: 'the library cannot be stopped, so it is started only once' });
      return;
    }
    const client = new TmcClient(command.app_key, command.app_secret, command.group);
    try {
      client.connect(command.url, handle);
    } catch (error) {
      answer(command, 'raised', { error: String(error) });
      return;
    }
    started = true;
    starting = command;
  },

  bye(command) {
    answer(command, 'result');
    leave();
  },
};

const commands = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
commands.on('line', (line) => {
  const command = JSON.parse(line);
  if (Object.hasOwn(operations, command.op)) {
    operations[command.op](command);
  } else {
    answer(command, 'unsupported');
  }
});
commands.on('close', leave);
