// SPDX-License-Identifier: Apache-2.0
// node-redis as its users write it: no options but the port. Usage: node_redis.js PACKAGE PORT
'use strict';
const assert = require('assert');
const { createClient } = require(process.argv[2]);
const prefix = process.argv[2] + ':';
const client = createClient({ url: 'redis://127.0.0.1:' + process.argv[3] });

client.on('error', (e) => {
  console.error(e);
  process.exit(1);
});

async function scan() {
  const seen = [];
  for await (const found of client.scanIterator({ MATCH: prefix + '*', COUNT: 2 })) {
    seen.push(...[].concat(found));
  }
  return seen;
}

async function main() {
  await client.connect();
  assert.strictEqual(await client.ping(), 'PONG');
  assert.strictEqual(await client.set(prefix + 'a', '1'), 'OK');
  assert.strictEqual(await client.get(prefix + 'a'), '1');
  assert.strictEqual(await client.get(prefix + 'none'), null);
  assert.strictEqual(await client.set(prefix + 'a', '2', { NX: true }), null);
  assert.strictEqual(await client.mSet([[prefix + 'x', '1'], [prefix + 'y', '2']]), 'OK');
  assert.deepStrictEqual(await client.mGet([prefix + 'x', prefix + 'none']), ['1', null]);
  assert.strictEqual(await client.del([prefix + 'x', prefix + 'none']), 1);
  assert.deepStrictEqual(await client.multi().set(prefix + 't', '1').get(prefix + 't').exec(), ['OK', '1']);
  const seen = await scan();
  assert.ok(seen.includes(prefix + 'a') && !seen.includes(prefix + 'x'));
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(prefix + 'many' + i, String(i))));
  assert.strictEqual(await client.get(prefix + 'many999'), '999');
  await assert.rejects(client.sendCommand(['EXPIRE', prefix + 'a', '1']), /append-only/);
  const history = await client.sendCommand(['BLOCKDB.HISTORY', prefix + 'a']);
  assert.strictEqual(history.length, 1);
  await client.quit();
  console.log('ok');
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
