// SPDX-License-Identifier: Apache-2.0
// ioredis as its users write it: no options but the port. Usage: ioredis.js PACKAGE PORT
'use strict';
const assert = require('assert');
const { Redis } = require(process.argv[2]);
const redis = new Redis(Number(process.argv[3]));
const prefix = process.argv[2] + ':';

redis.on('error', (e) => {
  console.error(e);
  process.exit(1);
});

async function main() {
  assert.strictEqual(await redis.ping(), 'PONG');
  assert.strictEqual(await redis.set(prefix + 'a', '1'), 'OK');
  assert.strictEqual(await redis.get(prefix + 'a'), '1');
  assert.strictEqual(await redis.get(prefix + 'none'), null);
  assert.strictEqual(await redis.mset({ [prefix + 'x']: '1', [prefix + 'y']: '2' }), 'OK');
  assert.deepStrictEqual(await redis.mget(prefix + 'x', prefix + 'none', prefix + 'y'), ['1', null, '2']);
  assert.strictEqual(await redis.del(prefix + 'x', prefix + 'none'), 1);
  const bytes = Buffer.from([0, 13, 10, 255]);
  await redis.set(prefix + 'bytes', bytes);
  assert.deepStrictEqual(await redis.getBuffer(prefix + 'bytes'), bytes);

  const results = await redis.pipeline().set(prefix + 'p', '1').get(prefix + 'p').exists(prefix + 'p').exec();
  assert.deepStrictEqual(results, [[null, 'OK'], [null, '1'], [null, 1]]);
  const tx = await redis.multi().set(prefix + 't', '1').get(prefix + 't').exec();
  assert.deepStrictEqual(tx, [[null, 'OK'], [null, '1']]);
  await redis.watch(prefix + 't');
  const other = redis.duplicate();
  await other.set(prefix + 't', '2');
  assert.strictEqual(await redis.multi().set(prefix + 't', '3').exec(), null);
  await other.quit();

  const seen = [];
  for await (const keys of redis.scanStream({ match: prefix + '*', count: 2 })) {
    seen.push(...keys);
  }
  assert.ok(seen.includes(prefix + 'a') && !seen.includes(prefix + 'x'));
  await Promise.all(Array.from({ length: 1000 }, (_, i) => redis.set(prefix + 'many' + i, String(i))));
  assert.strictEqual(await redis.get(prefix + 'many999'), '999');
  await assert.rejects(redis.expire(prefix + 'a', 1), /append-only/);
  const history = await redis.call('BLOCKDB.HISTORY', prefix + 't');
  assert.strictEqual(history.length, 2);
  await redis.quit();
  console.log('ok');
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
