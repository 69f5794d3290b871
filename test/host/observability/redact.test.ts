import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSecretName, redactText, registerSecret } from '../../../host/src/observability/redact.ts';

describe('redactText', () => {
  const cases: readonly (readonly [name: string, text: string, secret: string, kept: string])[] = [
    [
      'the query of a signed URL',
      'GET https://s3.example.com/a/b.jpg?X-Amz-Date=1&X-Amz-Signature=deadbeef failed',
      'deadbeef',
      'https://s3.example.com/a/b.jpg?<redacted> failed',
    ],
    ['a query with a quote in it', "https://h/p?a='x'&sig=deadbeef", 'deadbeef', 'https://h/p'],
    ['a URL in JSON with escaped slashes', '{"u":"https:\\/\\/h\\/p?sv=1\\u0026sig=deadbeef"}', 'deadbeef', '"}'],
    ['a percent-encoded URL', 'to=https%3A%2F%2Fh%2Fp%3Fsig%3Ddeadbeef done', 'deadbeef', ' done'],
    ['user info', 'https://user:deadbeef@h:8443/p', 'deadbeef', '@h:8443/p'],
    ['user info with a slash', 'postgres://user:dead/deadbeef@h/p', 'deadbeef', 'postgres://'],
    ['user info with a question mark', 'amqp://user:deadbeef?x@h/p', 'deadbeef', 'amqp://'],
    ['an access token in a fragment', 'https://h/p#access_token=deadbeef', 'deadbeef', 'https://h/p'],
    ['the query of a path', 'GET /files/a.pdf?sig=deadbeef 404', 'deadbeef', '/files/a.pdf?<redacted> 404'],
    ['an Authorization header', 'Authorization: Custom a=deadbeef, b=deadbeef\nHost: h', 'deadbeef', '\nHost: h'],
    ['an Authorization header in JSON', '{"Authorization":"Bearer deadbeef","x":1}', 'deadbeef', '"x":1'],
    ['a cookie', 'set-cookie: sid=deadbeef; Path=/', 'deadbeef', 'set-cookie'],
    ['a bearer token', 'sent bearer deadbeef.x to h', 'deadbeef', ' to h'],
    ['a basic token', 'sent Basic ZGVhZGJlZWY= to h', 'ZGVhZGJlZWY', ' to h'],
    [
      'a SharedAccessKey',
      'Endpoint=sb://ns.example/;SharedAccessKeyName=root;SharedAccessKey=deadbeef=;EntityPath=e',
      'deadbeef',
      ';EntityPath=e',
    ],
    ['an AccountKey', 'AccountName=a;AccountKey=deadbeef==;EndpointSuffix=x', 'deadbeef', ';EndpointSuffix=x'],
    ['a bare signature', 'sr=b&sig=deadbeef&x=1', 'deadbeef', '&x=1'],
    ['a quoted password with spaces', 'password: "dead deadbeef", next', 'deadbeef', ', next'],
    ['an environment-like pair', 'KAFKA_SASL_PASSWORD=deadbeef started', 'deadbeef', ' started'],
    ['an API key', 'x-api-key: deadbeef, ok', 'deadbeef', ', ok'],
    ['a JWT', 'got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZWFk.c2ln-deadbeef ok', 'deadbeef', ' ok'],
    [
      'a private key',
      'key -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\ndeadbeef\n-----END RSA PRIVATE KEY----- ok',
      'deadbeef',
      ' ok',
    ],
    ['a private key that is cut', '-----BEGIN PRIVATE KEY-----\ndeadbeef', 'deadbeef', ''],
  ];
  for (const [name, text, secret, kept] of cases) {
    it(`hides ${name}`, () => {
      const redacted = redactText(text);
      assert.ok(!redacted.includes(secret), redacted);
      assert.ok(redacted.includes(kept), redacted);
    });
  }

  it('leaves ordinary texts alone', () => {
    for (const text of [
      'fetched https://s3.example.com/a/b%20c.jpg in 12 ms',
      'https://h:8080/users/a@b.example',
      'https://[::1]:80/p#part',
      'Unexpected token \'x\', "xyz" is not valid JSON',
      'did you mean concurrency? key=CLM-1234 topic=events.raw',
      'wrote 3 files; tokens left 12',
    ]) {
      assert.equal(redactText(text), text);
    }
  });

  it('hides a registered secret in every form until it is forgotten', () => {
    const secret = 'pä$$ "w/o\\rd" +1';
    const forget = registerSecret(secret);
    const written = [
      secret,
      JSON.stringify({ a: secret }),
      encodeURIComponent(secret),
      new URLSearchParams({ a: secret }).toString(),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
    ];
    for (const text of written) assert.match(redactText(`see ${text} there`), /<redacted>.* there$/);
    forget();
    assert.equal(redactText(`see ${secret} there`), `see ${secret} there`);
  });

  it('hides each line of a registered PEM', () => {
    const lines = ['MIIEvQIBADANBgkqhkiG9w0BAQEF', 'AASCBKcwggSjAgEAAoIBAQC7VJTU'];
    const forget = registerSecret(`-----BEGIN X-----\n${lines.join('\n')}\n-----END X-----\n`);
    assert.equal(redactText(`bad line ${lines[1]}`), 'bad line <redacted>');
    forget();
  });

  it('keeps a secret hidden while one of two owners still has it', () => {
    const first = registerSecret('shared-by-two');
    const second = registerSecret('shared-by-two');
    first();
    first();
    assert.equal(redactText('shared-by-two'), '<redacted>');
    second();
    assert.equal(redactText('shared-by-two'), 'shared-by-two');
  });

  it('does not let half a secret out where a long text is cut', () => {
    const secret = 'Zq'.repeat(40);
    const forget = registerSecret(secret);
    const start = `https://h/?${'a'.repeat(65_536 - 40 - 11)}`.slice(0, 65_496);
    for (const limit of [100, 65_520, 100_000])
      assert.ok(!redactText(` ${start.replaceAll('a', 'b ')}`.slice(0, 65_496) + secret, limit).includes('ZqZqZq'));
    forget();
  });

  it('is linear: a hostile megabyte costs less than half a second', () => {
    for (const piece of [
      'a',
      '://',
      ':// ',
      'password ',
      'password=',
      '?a',
      '-----BEGIN PRIVATE KEY-----',
      'eyJaaaaaaaaa.',
      '"',
      "password='",
      '%3f',
      '://u:',
      'authorization:',
      'https://a@',
    ]) {
      const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
      const start = performance.now();
      redactText(text);
      assert.ok(performance.now() - start < 500, `${piece}: ${performance.now() - start} ms`);
    }
  });
});

describe('isSecretName', () => {
  it('knows secrets by their name in any spelling', () => {
    for (const name of [
      'password',
      'saslPassword',
      'SASL_PASSWORD',
      'clientSecret',
      'access-token',
      'Authorization',
      'X-Api-Key',
      'connectionString',
      'sig',
      'X-Amz-Signature',
      'Set-Cookie',
      'AccountKey',
      'sasUrl',
      'idToken',
      'passphrase',
    ]) {
      assert.ok(isSecretName(name), name);
    }
    for (const name of [
      'key',
      'topic',
      'partition',
      'author',
      'tokenExpiresIn',
      'token_count',
      'passed',
      'signal',
      'assignment',
      'keyboard',
      'mediaId',
    ]) {
      assert.ok(!isSecretName(name), name);
    }
  });
});
