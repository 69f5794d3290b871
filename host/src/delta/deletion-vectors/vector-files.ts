import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { errorMessage } from '@pipeline-host/sdk';
import type { TableFolder } from '../data-files.ts';
import { deltaError } from '../delta-errors.ts';
import type { DeletionVector } from '../log/actions.ts';
import { decodePositions, encodePositions, type Positions } from './position-bitmap.ts';
import { decodeZ85, encodeZ85 } from './z85.ts';

/** The first byte of a file of deletion vectors. */
const FORMAT_VERSION = 1;
/** A UUID in Z85. */
const UUID_LENGTH = 20;

/** The path in the store of the file that holds the vector; null for one that stands in the log itself. */
export function vectorPath(table: TableFolder, { storageType, pathOrInlineDv }: DeletionVector): string | null {
  switch (storageType) {
    case 'i':
      return null;
    case 'u': {
      const prefix = pathOrInlineDv.slice(0, -UUID_LENGTH);
      const hex = decodeZ85(pathOrInlineDv.slice(-UUID_LENGTH)).toString('hex');
      const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
      return `${table.path}/${prefix === '' ? '' : `${prefix}/`}deletion_vector_${uuid}.bin`;
    }
    case 'p':
      throw deltaError(
        'PH_DELTA_PROTOCOL',
        table.path,
        `the table ${table.path} cannot be read: it uses deletion vectors with absolute paths`,
      );
    default:
      throw deltaError(
        'PH_DELTA_PROTOCOL',
        table.path,
        `the table ${table.path} cannot be read: it uses deletion vectors of storage type ${storageType}`,
      );
  }
}

/** Reads a vector. Throws `PH_DELTA_FILE_MISSING`, or `PH_DELTA_VECTOR_DAMAGED` where size, checksum or cardinality are not what the log says. */
export async function readVector(table: TableFolder, vector: DeletionVector): Promise<Positions> {
  const path = vectorPath(table, vector);
  const place = path ?? 'in the log';
  try {
    const data = path === null ? inlineData(vector) : framedData(vector, await storedFrame(table, path, vector));
    const positions = decodePositions(data);
    if (positions.length !== vector.cardinality)
      throw new RangeError(`it holds ${positions.length} positions and the log says ${vector.cardinality}`);
    return positions;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw deltaError(
      'PH_DELTA_VECTOR_DAMAGED',
      table.path,
      `the deletion vector ${place} of table ${table.path} is damaged: ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

function inlineData({ pathOrInlineDv, sizeInBytes }: DeletionVector): Buffer {
  const padded = decodeZ85(pathOrInlineDv);
  if (sizeInBytes > padded.length || padded.length - sizeInBytes > 3)
    throw new RangeError(`it has ${padded.length} bytes and the log says ${sizeInBytes}`);
  return padded.subarray(0, sizeInBytes);
}

/** Four bytes of length, the data, four bytes of CRC-32. */
async function storedFrame(table: TableFolder, path: string, { offset = 0, sizeInBytes }: DeletionVector): Promise<Buffer> {
  const frame = await table.store.getRange(path, offset, sizeInBytes + 8);
  if (frame !== null) return frame;
  throw deltaError('PH_DELTA_FILE_MISSING', table.path, `the deletion vector ${path} of table ${table.path} is gone`);
}

function framedData({ sizeInBytes }: DeletionVector, frame: Buffer): Buffer {
  if (frame.length < sizeInBytes + 8) throw new RangeError('its file is cut off');
  const size = frame.readUInt32BE(0);
  if (size !== sizeInBytes) throw new RangeError(`its file says ${size} bytes and the log ${sizeInBytes}`);
  const data = frame.subarray(4, 4 + sizeInBytes);
  if (crc32(data) !== frame.readUInt32BE(4 + sizeInBytes)) throw new RangeError('its checksum is wrong');
  return data;
}

/** Writes the vectors into one new file at the table's root, durable when this resolves. In the order of the lists. */
export async function writeVectors(table: TableFolder, lists: readonly Positions[]): Promise<readonly DeletionVector[]> {
  if (lists.length === 0) return [];
  const uuid = randomUUID();
  const pathOrInlineDv = encodeZ85(Buffer.from(uuid.replaceAll('-', ''), 'hex'));
  const parts: Buffer[] = [Buffer.from([FORMAT_VERSION])];
  let offset = 1;
  const vectors: DeletionVector[] = [];
  for (const positions of lists) {
    const data = encodePositions(positions);
    const [size, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(data.length);
    checksum.writeUInt32BE(crc32(data));
    parts.push(size, data, checksum);
    vectors.push({ storageType: 'u', pathOrInlineDv, offset, sizeInBytes: data.length, cardinality: positions.length });
    offset += data.length + 8;
    await setImmediate(); // the event loop has its turn between two of them
  }
  await table.store.put(`${table.path}/deletion_vector_${uuid}.bin`, Buffer.concat(parts), { folder: 'existing' });
  return vectors;
}
