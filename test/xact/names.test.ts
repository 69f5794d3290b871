import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lastSegment, typedName } from '../../plugins/xact/src/attachment-url.ts';
import { blobNameOf, withSuffix } from '../../plugins/xact/src/blob-path.ts';
import { ALLOWED_FILE_TYPES } from '../../plugins/xact/src/file-types.ts';
import { EVENT_NAMESPACE, eventIdOf, MEDIA_NAMESPACES, mediaIdOf } from '../../plugins/xact/src/ids.ts';
import { MEDIA, TRACE, URL_OF_REPORT } from './samples.ts';

const OLD = { mediaNamespace: 'nsmkdvPipe', mediaIdIgnoresQuery: false } as const;

describe('xact ids', () => {
  it('are those of the systems before us', () => {
    assert.equal(EVENT_NAMESPACE, 'b8ec3745-17c7-5a5a-afbd-9b81a1a71824');
    assert.equal(MEDIA_NAMESPACES.nsmkdvPipe, '63b5635e-4ed0-53e3-9381-ab45f5a83235');
    assert.equal(MEDIA_NAMESPACES.xactPipeline, '6a9dbf19-e709-52a7-9659-e503e4faceb8');
    assert.equal(eventIdOf('abc123-def456'), '5d0bc22b-fe32-5e66-82de-980174d9b69a');
    assert.equal(mediaIdOf('abc123-def456', 'https://example.com/a.pdf', OLD), '845c4f03-873d-5ebd-993b-4c02c0d5e12d');
    const later = { ...OLD, mediaNamespace: 'xactPipeline' } as const;
    assert.equal(mediaIdOf('abc123-def456', 'https://example.com/a.pdf', later), '80fb0ccc-08a1-59fa-84ef-936ec508b896');
    assert.equal(mediaIdOf(TRACE, URL_OF_REPORT, OLD), MEDIA);
  });

  it('ignore the signature of a link where that is asked for', () => {
    const config = { ...OLD, mediaIdIgnoresQuery: true };
    assert.equal(mediaIdOf('t', 'https://h/a.pdf?X-Amz-Signature=1', config), mediaIdOf('t', 'https://h/a.pdf?X-Amz-Signature=2', config));
    assert.notEqual(mediaIdOf('t', 'https://h/a.pdf?v=1', OLD), mediaIdOf('t', 'https://h/a.pdf?v=2', OLD));
  });
});

describe('xact blob paths', () => {
  const place = { assignmentId: '04XQ7PK', traceId: 't-1', mediaId: MEDIA, statusSubtype: 'documentsReceived', estimateVersion: null };
  const nameOf = (path: string, more: Partial<Parameters<typeof blobNameOf>[0]> = {}) =>
    blobNameOf({ ...place, url: `https://h.example${path}?X-Amz-Signature=a/b.c`, ...more }, 'reference');

  it('follow subtype, assignment, trace and name', () => {
    const package_ = { statusSubtype: 'estimatePackageReceived' };
    assert.deepEqual(nameOf('/a1/loss_report.PDF'), { blobPath: 'documentsReceived/04XQ7PK/t-1/04XQ7PK_loss_report.pdf', fileType: 'PDF' });
    assert.deepEqual(nameOf('/b2/package.esx', { ...package_, estimateVersion: '3' }), {
      blobPath: 'estimatePackageReceived/04XQ7PK/t-1/04XQ7PK_3_package.esx',
      fileType: 'ESX',
    });
    assert.equal(nameOf('/b2/package.esx', package_).blobPath, 'estimatePackageReceived/04XQ7PK/t-1/04XQ7PK_unknown_package.esx');
    assert.deepEqual(nameOf('/c3/fnol.xml', { statusSubtype: 'firstNoticeOfLossReceived' }), {
      blobPath: 'firstNoticeOfLossReceived/04XQ7PK/t-1/04XQ7PK_FNOL_fnol.xml',
      fileType: 'XML',
    });
    assert.deepEqual(nameOf('/d4/readme'), { blobPath: 'documentsReceived/04XQ7PK/t-1/04XQ7PK_readme', fileType: 'UNKNOWN' });
    assert.deepEqual(nameOf('/e5/Scan%20001.tif'), { blobPath: 'documentsReceived/04XQ7PK/t-1/04XQ7PK_Scan%20001.tif', fileType: 'TIF' });
  });

  it('have a name for every URL', () => {
    assert.equal(nameOf('/f6/').blobPath, 'documentsReceived/04XQ7PK/t-1/04XQ7PK_unknown');
    assert.deepEqual(nameOf('/f6/readme.'), { blobPath: 'documentsReceived/04XQ7PK/t-1/04XQ7PK_readme', fileType: 'UNKNOWN' });
    assert.equal(nameOf('/a.b/c.PDF;version=2').blobPath, 'documentsReceived/04XQ7PK/t-1/04XQ7PK_c.pdf');
    assert.equal(lastSegment('not a URL'), 'not a URL');
    assert.equal(lastSegment('https://h.example'), '');
  });

  it('cannot leave their folder and fit every store', () => {
    const evil = nameOf('/..\\..\\x.pdf', { assignmentId: '../../etc', statusSubtype: '..', traceId: 'a/b' });
    assert.equal(evil.blobPath, '_/.._.._etc/a_b/.._.._etc_.._.._x.pdf');
    const long = nameOf(`/${'n'.repeat(400)}.pdf`, { assignmentId: 'a'.repeat(512) });
    for (const segment of long.blobPath.split('/')) assert.ok(Buffer.byteLength(segment) <= 255);
    assert.match(long.blobPath, /\.pdf$/);
    assert.equal(long.fileType, 'PDF');
  });

  it('hold the media id where the scheme or a collision wants it', () => {
    const safe = blobNameOf({ ...place, url: 'https://h/a.pdf' }, 'collision-safe');
    assert.equal(safe.blobPath, `documentsReceived/04XQ7PK/t-1/${MEDIA}/04XQ7PK_a.pdf`);
    assert.equal(withSuffix('x.y/a.pdf', 'm'), 'x.y/a_m.pdf');
    assert.equal(withSuffix('x.y/readme', 'm'), 'x.y/readme_m');
    assert.notEqual(withSuffix(`x/${'n'.repeat(250)}.pdf`, 'm1'), withSuffix(`x/${'n'.repeat(250)}.pdf`, 'm2'));
  });
});

describe('xact file types', () => {
  it('are told by the name of the path, else by that in the query', () => {
    assert.equal(typedName('https://h/v1.2/report.pdf?filename=x.exe'), 'report.pdf');
    assert.equal(typedName('https://h/v1.2/download?name=c.csv&file=b.xml&filename=noext'), 'b.xml');
    assert.equal(typedName('https://h/download.?filename=a%20b.pdf#f'), 'a b.pdf');
    assert.equal(typedName('https://h/readme'), 'readme');
  });

  it('go with their content types', () => {
    assert.equal(Object.keys(ALLOWED_FILE_TYPES).length, 22);
    const pairs: readonly (readonly [string, string])[] = [
      ['pdf', 'application/pdf'],
      ['xml', 'text/xml'],
      ['csv', 'application/vnd.ms-excel'],
      ['json', 'text/plain'],
      ['htm', 'text/html'],
      ['esx', 'application/zip'],
      ['xlsx', 'application/zip'],
      ['docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
      ['jpeg', 'image/jpeg'],
      ['tif', 'image/tiff'],
      ['mov', 'video/quicktime'],
    ];
    for (const [extension, contentType] of pairs)
      assert.ok(ALLOWED_FILE_TYPES[extension]?.includes(contentType), `${extension} ${contentType}`);
  });
});
