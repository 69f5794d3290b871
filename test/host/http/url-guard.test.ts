import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UrlPolicy } from '@pipeline-host/sdk';
import { addressCheck } from '../../../host/src/http/address-guard.ts';
import { checkUrl, displayUrl } from '../../../host/src/http/url-guard.ts';

const files: UrlPolicy = { hosts: ['files.example.com'] };

function verdict(url: string, policy: UrlPolicy): string {
  try {
    checkUrl(url, policy, addressCheck(policy.privateRanges));
    return 'allowed';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const publicAddresses = ['8.8.8.8', '52.218.1.1', '1.1.1.1', '2606:4700:4700::1111', '2a00:1450:4001:81b::200e', '::ffff:8.8.8.8'];
const otherAddresses = [
  ...[
    '0.0.0.0',
    '0.1.2.3',
    '10.0.0.1',
    '10.255.255.255',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
  ],
  ...['172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.2.1', '192.88.99.1', '192.168.0.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
  ...['224.0.0.1', '240.0.0.1', '255.255.255.255', '168.63.129.16', '::', '::1', '::7f00:1', '::ffff:127.0.0.1', '::ffff:10.0.0.1'],
  ...[
    '::ffff:0:127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:20::1',
    '2001:db8::1',
    '2002:7f00:1::1',
    '3fff::1',
  ],
  ...['5f00::1', 'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', '', 'nonsense', '8.8.8.8.8'],
];

test('public addresses are allowed and every private or special one is refused', () => {
  const allowed = addressCheck();
  assert.deepEqual(
    publicAddresses.filter((address) => !allowed(address)),
    [],
  );
  assert.deepEqual(
    otherAddresses.filter((address) => allowed(address)),
    [],
  );
});

test('a listed range lets in its own addresses and no others', () => {
  const allowed = addressCheck(['127.0.0.1/32', 'fd00:1::/32']);
  assert.deepEqual(['127.0.0.1', '::ffff:127.0.0.1', 'fd00:1::5', '127.0.0.2', 'fd00:2::5', '10.0.0.1'].map(allowed), [
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  assert.throws(() => addressCheck(['127.0.0.1/33']), { code: 'PH_HTTP_REQUEST_INVALID' });
});

test('an IP literal is judged by the address it means, however it is spelled', () => {
  const spellings = [
    ...['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001', '0', '127.0.0.1.', '%31%32%37.0.0.1'],
    ...[
      '127。0。0。1',
      '①②⑦.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[0:0:0:0:0:0:0:1]',
      '169.254.169.254',
      '0xA9FEA9FE',
    ],
  ];
  for (const spelling of spellings) {
    const { hostname } = new URL(`https://${spelling}/`);
    assert.equal(verdict(`https://${spelling}/x`, { hosts: [hostname] }), 'PH_HTTP_ADDRESS_REFUSED', `${spelling} though listed`);
    assert.equal(verdict(`https://${spelling}/x`, files), 'PH_HTTP_URL_REFUSED', `${spelling} not listed`);
  }
  assert.equal(verdict('https://8.8.8.8/x', { hosts: ['8.8.8.8'] }), 'allowed');
  assert.equal(verdict('https://[::1]:8443/x', { hosts: ['[::1]:8443'], privateRanges: ['::1/128'] }), 'allowed');
});

test('scheme, user info, host and port are as the policy has them', () => {
  const table: readonly (readonly [string, UrlPolicy, string])[] = [
    ['https://files.example.com/a?b=c', files, 'allowed'],
    ['HTTPS://FILES.EXAMPLE.COM/a', files, 'allowed'],
    ['https://files.example.com:443/a', files, 'allowed'],
    ['https://files.example.com:8443/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://files.example.com:8443/a', { hosts: ['files.example.com:8443'] }, 'allowed'],
    ['https://files.example.com/a', { hosts: ['files.example.com:8443'] }, 'PH_HTTP_URL_REFUSED'],
    ['https://files.example.com/a', { hosts: ['Files.Example.com:443'] }, 'allowed'],
    ['http://files.example.com/a', files, 'PH_HTTP_URL_REFUSED'],
    ['http://files.example.com/a', { ...files, schemes: ['http'] }, 'allowed'],
    ['https://files.example.com/a', { ...files, schemes: ['http'] }, 'PH_HTTP_URL_REFUSED'],
    ['ftp://files.example.com/a', files, 'PH_HTTP_URL_REFUSED'],
    ['file:///etc/passwd', files, 'PH_HTTP_URL_REFUSED'],
    ['javascript:alert(1)', files, 'PH_HTTP_URL_REFUSED'],
    ['https://user@files.example.com/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://:pass@files.example.com/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://files.example.com@evil.example/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://evil.example\\@files.example.com/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://files.example.com.evil.example/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://sub.files.example.com/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://files.example.com./a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://files.example.com/a', { hosts: [] }, 'PH_HTTP_URL_REFUSED'],
    ['//files.example.com/a', files, 'PH_HTTP_URL_REFUSED'],
    ['https://', files, 'PH_HTTP_URL_REFUSED'],
    ['', files, 'PH_HTTP_URL_REFUSED'],
    ['localhost', files, 'PH_HTTP_URL_REFUSED'],
  ];
  for (const [url, policy, expected] of table) assert.equal(verdict(url, policy), expected, url);
});

test('a shown URL has neither query nor user info nor fragment', () => {
  assert.equal(displayUrl('https://u:p@h.example:8443/a/b.pdf?sig=s3cret#f'), 'https://h.example:8443/a/b.pdf');
  assert.equal(displayUrl('no url?sig=s3cret'), '(not a URL)');
  for (const url of [
    'https://u:s3cret@files.example.com/a?x=s3cret',
    'nonsense?s3cret',
    'https://evil.example/?s3cret#s3cret',
    'ftp://h/?s3cret',
  ]) {
    assert.throws(
      () => checkUrl(url, files, addressCheck()),
      (error: Error) => !JSON.stringify([error.message, error.stack, { ...error }, error.cause]).includes('s3cret'),
    );
  }
});
