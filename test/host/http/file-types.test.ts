import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileTypePolicy } from '@pipeline-host/sdk';
import { checkContent, checkContentType, checkExtension, extensionOf } from '../../../host/src/http/file-types.ts';
import { serve } from './attachment-server.ts';
import { loopback, openHttp } from './fixture.ts';

const policy: FileTypePolicy = {
  types: {
    pdf: ['application/pdf'],
    xml: ['application/xml', 'text/xml'],
    txt: ['text/plain'],
    csv: ['text/csv', 'text/plain'],
    html: ['text/html'],
    json: ['application/json', 'text/plain'],
    jpg: ['image/jpeg'],
    png: ['image/png'],
    bmp: ['image/bmp'],
    doc: ['application/msword'],
    xls: ['application/vnd.ms-excel'],
    esx: ['application/zip', 'application/xml', 'text/xml'],
    mp4: ['video/mp4'],
  },
};

const bytes = (text: string, length = 600): Buffer => Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(length)]);
const png = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
  Buffer.alloc(17),
  Buffer.from('0000000049444154', 'hex'),
  Buffer.alloc(50),
]);
const jpg = bytes('\xff\xd8\xff\xe0\x00\x10JFIF\x00');
const pdf = bytes('%PDF-1.7\n');
const zip = bytes('PK\x03\x04\x14\x00');
const exe = bytes('MZ\x90\x00\x03');
const elf = bytes('\x7fELF\x02\x01\x01');

/** A compound file whose root entry, in sector 1, has the given class. */
function compound(clsid: string): Buffer {
  const file = Buffer.alloc(2_048);
  Buffer.from('d0cf11e0a1b11ae1', 'hex').copy(file);
  file.writeUInt16LE(9, 30);
  file.writeUInt32LE(1, 48);
  Buffer.from(clsid, 'hex').copy(file, 1_024 + 80);
  return file;
}
const word = compound('0609020000000000c000000000000046');
const installer = compound('84100c0000000000c000000000000046');

async function holds(name: string, content: Buffer): Promise<string> {
  try {
    await checkContent(name, content, async (position, length) => content.subarray(position, position + length), policy);
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('the extension decides first, whatever its case', () => {
  assert.deepEqual(['a.PDF', 'a.b.pdf', 'a', 'a.', '.pdf'].map(extensionOf), ['pdf', 'pdf', '', '', 'pdf']);
  checkExtension('report.PDF', policy);
  for (const name of ['a.exe', 'a', 'a.', 'pdf', 'a.pdf.exe', 'a.constructor', 'a.__proto__']) {
    assert.throws(() => checkExtension(name, policy), { code: 'PH_FILE_TYPE_REFUSED', kind: 'permanent' }, name);
  }
});

test('the declared type must go with the extension; octet-stream and none go with all', () => {
  for (const [name, header, ok] of [
    ['a.pdf', 'application/pdf', true],
    ['a.pdf', 'Application/PDF; charset=binary', true],
    ['a.pdf', 'application/octet-stream', true],
    ['a.pdf', 'binary/octet-stream;x', true],
    ['a.pdf', undefined, true],
    ['a.pdf', '', true],
    ['a.pdf', 'text/html', false],
    ['a.pdf', 'image/jpeg', false],
    ['a.xml', 'text/xml', true],
    ['a.esx', 'application/zip', true],
    ['a.esx', 'application/pdf', false],
  ] as const) {
    const check = (): void => checkContentType(name, header, policy);
    if (ok) check();
    else assert.throws(check, { code: 'PH_FILE_TYPE_MISMATCH', kind: 'permanent' }, `${name} ${header}`);
  }
});

test('magic bytes of another listed type are a mismatch; unknown ones and unlisted types pass', async () => {
  const table: readonly (readonly [string, Buffer, string])[] = [
    ['a.png', png, 'ok'],
    ['a.jpg', jpg, 'ok'],
    ['a.jpg', png, 'PH_FILE_TYPE_MISMATCH'],
    ['a.png', pdf, 'PH_FILE_TYPE_MISMATCH'],
    ['a.txt', pdf, 'PH_FILE_TYPE_MISMATCH'],
    ['a.esx', zip, 'ok'],
    ['a.jpg', zip, 'PH_FILE_TYPE_MISMATCH'],
    ['a.jpg', bytes('\x1f\x8b\x08'), 'ok'],
    ['a.jpg', bytes('no magic at all'), 'ok'],
    ['a.pdf', Buffer.from('x'), 'ok'],
    ['a.esx', Buffer.from('<?xml version="1.0"?><a/>'), 'ok'],
    ['a.html', Buffer.from('<?xml version="1.0"?><html/>'), 'ok'],
    ['a.jpg', Buffer.from('<?xml version="1.0"?><a/>'), 'PH_FILE_TYPE_MISMATCH'],
    ['a.doc', word, 'ok'],
    ['a.xls', word, 'ok'],
    ['a.pdf', word, 'PH_FILE_TYPE_MISMATCH'],
  ];
  for (const [name, content, expected] of table)
    assert.equal(await holds(name, content), expected, `${name} ${content.subarray(0, 8).toString('latin1')}`);
});

test('executables are let in under no name', async () => {
  for (const [what, content] of [
    ['exe', exe],
    ['elf', elf],
    ['msi', installer],
  ] as const) {
    for (const name of ['a.pdf', 'a.txt', 'a.doc', 'a.esx'])
      assert.equal(await holds(name, content), 'PH_FILE_TYPE_MISMATCH', `${what} as ${name}`);
  }
});

test('a text that begins with the two letters of a magic is a text', async () => {
  assert.equal(await holds('a.csv', Buffer.from('MZ,BM,II\n1,2,3\n')), 'ok');
  assert.equal(await holds('a.txt', Buffer.from('BMW, dark blue, damaged door')), 'ok');
  assert.equal(await holds('a.txt', bytes('BM\x36\x00\x00\x00\x00\x00')), 'PH_FILE_TYPE_MISMATCH');
});

test('a download is refused by its name before anything is asked, by its type before a file is made, by its content at the end', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/html') response.setHeader('content-type', 'text/html').end('no magic');
    else response.setHeader('content-type', 'application/octet-stream').end(exe);
  });
  await using fixture = await openHttp();
  const fetchAs = (path: string, fileName: string) =>
    fixture.http.download({ url: server.url(path), fileName, policy: loopback(server.host), fileTypes: policy });
  await assert.rejects(fetchAs('/exe', 'a.exe'), { code: 'PH_FILE_TYPE_REFUSED', kind: 'permanent' });
  assert.equal(server.requests.length, 0);
  await assert.rejects(fetchAs('/html', 'a.pdf'), { code: 'PH_FILE_TYPE_MISMATCH', kind: 'permanent' });
  await assert.rejects(fetchAs('/octets', 'a.pdf'), { code: 'PH_FILE_TYPE_MISMATCH', kind: 'permanent' });
  assert.deepEqual(await fixture.leftovers(), []);
});
