import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PermanentError } from '@pipeline-host/sdk';
import { classifyFailure } from '../../../host/src/engine/failure-class.ts';
import { FailureLog } from '../../../host/src/engine/records/failure-log.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';

const from = {
  topic: 't',
  partition: 2,
  source: 2,
  retried: false,
  record: { offset: 7, timestamp: 0, key: null, value: null, headers: {} },
};
const note = (code: string) => ({ failure: classifyFailure(new PermanentError(code, 'no')), stage: 'handle' as const, attempts: 1 });

describe('the log of failures', () => {
  it('tells each cause at once and then seldom, with how many were not told', (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
    const lines: Record<string, unknown>[] = [];
    const log = new FailureLog(
      createLogger({ level: 'warn', destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) } }),
    );
    for (let count = 0; count < 1_000; count++) log.note('dead', from, note('SHOP_NO'));
    log.note('dead', from, note('SHOP_BAD'));
    log.note('retried', from, note('SHOP_NO'));
    t.mock.timers.tick(10_000);
    log.note('dead', from, note('SHOP_NO'));
    assert.deepEqual(
      lines.map(({ code, untold }) => [code, untold]),
      [
        ['SHOP_NO', undefined],
        ['SHOP_BAD', undefined],
        ['SHOP_NO', undefined],
        ['SHOP_NO', 999],
      ],
    );
    assert.deepEqual([lines[0]?.['topic'], lines[0]?.['partition'], lines[0]?.['offset'], lines[0]?.['reason']], ['t', 2, '7', 'no']);
  });
});
