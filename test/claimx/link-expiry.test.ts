import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { linkExpiry } from '../../plugins/claimx/src/link-expiry.ts';
import { typedName } from '../../plugins/claimx/src/typed-name.ts';

const HOSTS = ['www.claimxperience.com', 'xactware-claimx-us-prod.s3.us-west-1.amazonaws.com'];
const S3 = 'https://xactware-claimx-us-prod.s3.us-west-1.amazonaws.com/p/roof.jpg';
const OWN = 'https://www.claimxperience.com/media/roof.jpg';
const ends = (url: string) => linkExpiry(url, HOSTS)?.toISOString() ?? null;

describe('a link ends', () => {
  it('by the parameters of S3, names in any case, the first of repeated ones', () => {
    assert.equal(ends(`${S3}?X-Amz-Date=20260105T100004Z&X-Amz-Expires=3600`), '2026-01-05T11:00:04.000Z');
    assert.equal(ends(`${S3}?x-amz-date=20260105T100004Z&x-amz-expires=60&X-Amz-Expires=9`), '2026-01-05T10:01:04.000Z');
    assert.equal(ends(`${S3}?X-Amz-Date=20260105T100004Z&X-Amz-Expires=-60`), '2026-01-05T09:59:04.000Z');
  });

  it("by ClaimX's own parameters on its own hosts, in milliseconds", () => {
    assert.equal(ends(`${OWN}?systemDate=1767607204000&expires=3600000`), '2026-01-05T11:00:04.000Z');
    assert.equal(ends('https://elsewhere.test/claimxperience.com?systemDate=1767607204000&expires=3600000'), null);
    assert.equal(ends(`${OWN}?systemdate=1767607204000&expires=3600000`), null, 'their case counts');
  });

  it('at a time nobody knows where parameters are missing, malformed or impossible, and nothing throws', () => {
    for (const url of [
      S3,
      `${S3}?X-Amz-Date=20260105T100004Z`,
      `${S3}?X-Amz-Expires=3600`,
      `${S3}?X-Amz-Date=yesterday&X-Amz-Expires=3600`,
      `${S3}?X-Amz-Date=20260230T100004Z&X-Amz-Expires=3600`,
      `${S3}?X-Amz-Date=20260105T100004Z&X-Amz-Expires=soon`,
      `${S3}?X-Amz-Date=20260105T100004Z&X-Amz-Expires=999999999999999`,
      `${S3}/x-amz-date=20260105T100004Z/x-amz-expires=1`,
      `${OWN}?systemDate=soon&expires=1`,
      `${OWN}?systemDate=9999999999999999&expires=1`,
      '',
      'no link',
    ])
      assert.equal(ends(url), null, url);
  });
});

it('what a file is says the last segment of its path, else the query, else the API', () => {
  assert.equal(typedName(`${S3}?X-Amz-Date=1`, 'other.png'), 'roof.jpg');
  assert.equal(typedName('https://h/v1.2/download;type=a', 'roof.png'), 'roof.png', 'a dot in a folder is no extension');
  assert.equal(typedName('https://h/download?name=a.b&filename=roof.pdf', 'roof.png'), 'roof.pdf');
  assert.equal(typedName('https://h/download', null), 'download');
  assert.equal(typedName('https://h/roof.', null), 'roof.');
});
