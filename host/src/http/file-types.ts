import { type FileTypePolicy, PermanentError } from '@pipeline-host/sdk';

/** So many bytes from the start tell the type of a file. */
export const SNIFF_BYTES = 4_100;

/** What servers say when they do not know; goes with every extension. */
const ANY_TYPE: ReadonlySet<string> = new Set(['application/octet-stream', 'binary/octet-stream']);

/** Never let in under any name, unless the policy lists the very type for the extension. */
const EXECUTABLES: ReadonlySet<string> = new Set([
  'application/x-msdownload',
  'application/x-elf',
  'application/x-mach-binary',
  'application/x-msi',
  'application/x.ms.shortcut',
  'application/x-deb',
  'application/x-rpm',
  'application/vnd.android.package-archive',
  'application/java-vm',
]);

/** Magic bytes of two letters, which may begin a text as well. A real file of the type has zeros in its header. */
const WEAK_MAGIC: ReadonlySet<string> = new Set(['application/x-msdownload', 'image/bmp']);

/** The compound file of Microsoft: what is in it stands further inside. */
const COMPOUND_FILE = 'application/x-cfb';
const COMPOUND_TYPES = ['application/msword', 'application/vnd.ms-excel', 'application/vnd.ms-powerpoint'];

/** CLSID of the root entry of a Windows installer package, as it stands in the file. */
const INSTALLER_CLSID = Buffer.from('84100c0000000000c000000000000046', 'hex');

/** Reads `length` bytes of the file from `position`, fewer at its end. */
export type ReadAt = (position: number, length: number) => Promise<Uint8Array>;

/** The extension of a file name: lower case, without dot; empty where there is none. */
export function extensionOf(fileName: string): string {
  const dot = fileName.lastIndexOf('.');
  return dot < 0 ? '' : fileName.slice(dot + 1).toLowerCase();
}

/** @throws PermanentError `PH_FILE_TYPE_REFUSED` for a name without a listed extension */
export function checkExtension(fileName: string, policy: FileTypePolicy): void {
  const extension = extensionOf(fileName);
  if (Object.hasOwn(policy.types, extension)) return;
  throw new PermanentError(
    'PH_FILE_TYPE_REFUSED',
    extension === '' ? `"${fileName}" has no extension` : `files of type "${extension}" are not allowed`,
  );
}

/**
 * Checks the Content-Type header, if there is one, against the types that go with the extension.
 *
 * @throws PermanentError `PH_FILE_TYPE_MISMATCH`
 */
export function checkContentType(fileName: string, header: string | undefined, policy: FileTypePolicy): void {
  const declared = header?.split(';', 1)[0]?.trim().toLowerCase();
  if (!declared || ANY_TYPE.has(declared)) return;
  const extension = extensionOf(fileName);
  if (typesOf(extension, policy).includes(declared)) return;
  throw mismatch(`a ${extension} file came as ${JSON.stringify(declared.slice(0, 100))}`);
}

/**
 * Checks the magic bytes: a type that is listed for other extensions alone, or an executable, is refused; bytes that tell
 * nothing, or a type that no extension lists, pass.
 *
 * @param start the first {@link SNIFF_BYTES} of the file, or all of a shorter one
 * @throws PermanentError `PH_FILE_TYPE_MISMATCH`
 */
export async function checkContent(fileName: string, start: Uint8Array, readAt: ReadAt, policy: FileTypePolicy): Promise<void> {
  const extension = extensionOf(fileName);
  const own = typesOf(extension, policy);
  const found = await detect(start, readAt);
  if (found === undefined || own.includes(found)) return;
  if (EXECUTABLES.has(found)) throw mismatch(`a ${extension} file holds an executable (${found})`);
  const meanings = found === COMPOUND_FILE ? COMPOUND_TYPES : [found];
  if (meanings.some((type) => own.includes(type)) || isMarkupAsText(found, own)) return;
  const elsewhere = Object.values(policy.types).some((types) => meanings.some((type) => types.includes(type)));
  if (elsewhere) throw mismatch(`a ${extension} file holds ${found}`);
}

async function detect(start: Uint8Array, readAt: ReadAt): Promise<string | undefined> {
  const { fileTypeFromBuffer } = await import('file-type');
  const found = (await fileTypeFromBuffer(start))?.mime;
  if (found === undefined || (WEAK_MAGIC.has(found) && !start.includes(0))) return undefined;
  return found === COMPOUND_FILE && (await isInstaller(start, readAt)) ? 'application/x-msi' : found;
}

/** A page or a text may begin like XML and be what its name says. */
function isMarkupAsText(found: string, own: readonly string[]): boolean {
  return found === 'application/xml' && own.some((type) => type.startsWith('text/'));
}

/** The header of a compound file says in which sector its directory begins; the root entry comes first in it. */
async function isInstaller(start: Uint8Array, readAt: ReadAt): Promise<boolean> {
  if (start.length < 512) return false;
  const header = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const sectorSize = header.getUint16(30, true) === 12 ? 4_096 : 512;
  const directory = (header.getUint32(48, true) + 1) * sectorSize;
  return INSTALLER_CLSID.equals(await readAt(directory + 80, INSTALLER_CLSID.length));
}

function typesOf(extension: string, policy: FileTypePolicy): readonly string[] {
  return Object.hasOwn(policy.types, extension) ? (policy.types[extension] ?? []) : [];
}

function mismatch(message: string): PermanentError {
  return new PermanentError('PH_FILE_TYPE_MISMATCH', message);
}
