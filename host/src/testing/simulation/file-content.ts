import { createCipheriv, createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Kinds of file that a simulated server can hold, by extension, each with the content type that it is served with. */
export const FILE_CONTENT_TYPES = {
  pdf: 'application/pdf',
  jpg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  zip: 'application/zip',
  xml: 'text/xml',
  txt: 'text/plain; charset=utf-8',
  csv: 'text/csv',
  json: 'application/json',
} as const;
export type FileKind = keyof typeof FILE_CONTENT_TYPES;

/** The content of a file: the right first bytes for its kind, then what follows from its name. The same for the same name, kind and size. */
export function fileContent(kind: FileKind, name: string, size: number): Buffer {
  switch (kind) {
    case 'pdf':
      return Buffer.concat([Buffer.from('%PDF-1.7\n'), noise(name, size), Buffer.from('\n%%EOF\n')]);
    case 'jpg':
      return Buffer.concat([Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'), noise(name, size), Buffer.from('ffd9', 'hex')]);
    case 'gif':
      return Buffer.concat([Buffer.from('GIF89a'), noise(name, size), Buffer.from(';')]);
    case 'png':
      return png(noise(name, size));
    case 'zip':
      return zip('CONTENT', noise(name, size));
    case 'xml':
      return Buffer.from(
        `<?xml version="1.0" encoding="UTF-8"?>\n<report>\n${lines(name, size, (line) => `  <line>${line}</line>`)}</report>\n`,
      );
    case 'csv':
      return Buffer.from(`item,hash\n${lines(name, size, (line, index) => `${index},${line}`)}`);
    case 'json':
      return Buffer.from(
        JSON.stringify({
          lines: lines(name, size, (line) => line)
            .trim()
            .split('\n'),
        }),
      );
    case 'txt':
      return Buffer.from(lines(name, size, (line) => line));
  }
}

/** Bytes without pattern. */
function noise(name: string, size: number): Buffer {
  const key = createHash('sha256').update(name).digest();
  return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(size));
}

function lines(name: string, size: number, write: (line: string, index: number) => string): string {
  const hex = noise(name, Math.ceil(size / 2)).toString('hex');
  let text = '';
  for (let start = 0; start < hex.length; start += 64) text += `${write(hex.slice(start, start + 64), start / 64)}\n`;
  return text;
}

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');
/** One pixel, 8 bits, grey. */
const PNG_HEADER = Buffer.from('00000001000000010800000000', 'hex');

function png(data: Buffer): Buffer {
  return Buffer.concat([PNG_SIGNATURE, chunk('IHDR', PNG_HEADER), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  return Buffer.concat([uint(4, data.length, 'BE'), body, uint(4, crc32(body), 'BE')]);
}

/** An archive of one stored entry. */
function zip(name: string, data: Buffer): Buffer {
  const same = Buffer.concat([
    Buffer.from('0a00000000000000215a', 'hex'), // version, flags, method, time, date
    uint(4, crc32(data)),
    uint(4, data.length),
    uint(4, data.length),
    uint(2, name.length),
    uint(2, 0),
  ]);
  const local = Buffer.concat([Buffer.from('504b0304', 'hex'), same, Buffer.from(name), data]);
  const central = Buffer.concat([Buffer.from('504b01020a00', 'hex'), same, Buffer.alloc(14), Buffer.from(name)]);
  const end = Buffer.concat([
    Buffer.from('504b050600000000', 'hex'),
    uint(2, 1),
    uint(2, 1),
    uint(4, central.length),
    uint(4, local.length),
    uint(2, 0),
  ]);
  return Buffer.concat([local, central, end]);
}

function uint(bytes: 2 | 4, value: number, order: 'LE' | 'BE' = 'LE'): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (order === 'LE') buffer.writeUIntLE(value, 0, bytes);
  else buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}
