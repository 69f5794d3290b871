import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { presignedExpiry } from '@pipeline-host/sdk';

describe('the end of a presigned link', () => {
  const expiry = (query: string) => presignedExpiry(`https://h/a.pdf?${query}`)?.toISOString() ?? null;

  it('is read from the query, names in any case, the first of repeated ones', () => {
    assert.equal(expiry('X-Amz-Date=20260105T142205Z&X-Amz-Expires=86400'), '2026-01-06T14:22:05.000Z');
    assert.equal(expiry('x-amz-expires=60&x-amz-date=20260105T142205Z'), '2026-01-05T14:23:05.000Z');
    assert.equal(expiry('X-Amz-Date=20260105T142205Z&X-Amz-Expires=60&X-Amz-Expires=90'), '2026-01-05T14:23:05.000Z');
    assert.equal(expiry('X-Amz-Date=20260105T142205Z&X-Amz-Expires=-60'), '2026-01-05T14:21:05.000Z');
  });

  it('is unknown where it cannot be told, and never an exception', () => {
    for (const query of [
      '',
      'X-Amz-Date=20260105T142205Z',
      'X-Amz-Expires=60',
      'X-Amz-Date=2026-01-05&X-Amz-Expires=60',
      'X-Amz-Date=20260230T000000Z&X-Amz-Expires=60',
      'X-Amz-Date=20261345T142205Z&X-Amz-Expires=60',
      'X-Amz-Date=20260105T142205Z&X-Amz-Expires=soon',
      'X-Amz-Date=20260105T142205Z&X-Amz-Expires=999999999999999',
    ]) {
      assert.equal(expiry(query), null, query);
    }
    assert.equal(presignedExpiry('not a URL'), null);
    assert.equal(presignedExpiry('https://h/X-Amz-Date=20260105T142205Z&X-Amz-Expires=60/a.pdf'), null);
  });
});
