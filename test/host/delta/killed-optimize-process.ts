/** A process of its own that dies by SIGKILL in an OPTIMIZE: its new files are written, and its commit is not. Arguments: folder, table. */
import { join } from 'node:path';
import { DeltaTable, openDeltaEngine } from '../../../host/src/delta/index.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { boundStore } from './delta-fixture.ts';

const [folder = '', name = ''] = process.argv.slice(2);
await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'temp') });
const store = boundStore(openLocalStore(join(folder, 'tables')));
const dying = {
  ...store,
  putIfAbsent: () => {
    process.kill(process.pid, 'SIGKILL');
    return new Promise<'created'>(() => {});
  },
};
const table = await DeltaTable.open(engine, dying, name);
await table.optimize();
