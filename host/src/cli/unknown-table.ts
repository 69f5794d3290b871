import { PipelineError } from '@pipeline-host/sdk';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';

/** The error for a table name that no plugin knows. */
export function unknownTable(command: string, given: string, known: readonly string[]): PipelineError {
  return new PipelineError('PH_TABLE_UNKNOWN', `no plugin has a table "${given}"`, {
    place: `${command} ${given}`,
    hint: didYouMean(
      given,
      known,
      known.length === 0 ? 'name a plugin that has tables: --plugin <plugin>' : `the tables are ${list(known)}`,
    ),
  });
}
