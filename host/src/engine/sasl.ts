import type { Log } from '@pipeline-host/sdk';
import { DEFAULT_CLUSTER } from '../config/cluster-faults.ts';
import type { ClusterSettings } from '../config/host-config.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { SaslConfig } from '../kafka/index.ts';
import { registerSecret } from '../observability/redact.ts';

/** How to log in to a cluster. A bearer token ends, so it is read again from where it is written for each new connection. */
export function saslConfig(
  cluster: string,
  { sasl }: ClusterSettings,
  config: Pick<LoadedConfig, 'readAgain'>,
  log: Log,
): SaslConfig | undefined {
  if (sasl?.mechanism !== 'oauthbearer') return sasl;
  const section = cluster === DEFAULT_CLUSTER ? ['kafka'] : ['kafka', 'clusters', cluster];
  const path = [...section, 'sasl', 'token'];
  let latest = sasl.token;
  // The one before may still be in a message; older ones have ended, and the redactor looks for each that it knows.
  let forgetBefore = (): void => {};
  let forgetLatest = (): void => {};
  const token = (): string => {
    try {
      const found = config.readAgain(path);
      // A file that is just being written is empty.
      if (found !== '' && found !== latest) {
        forgetBefore();
        forgetBefore = forgetLatest;
        forgetLatest = registerSecret(found);
        latest = found;
      }
    } catch (error) {
      log.warn({ cluster, error }, 'the token cannot be read again; the last one is used');
    }
    return latest;
  };
  return { mechanism: 'oauthbearer', token: () => Promise.resolve(token()) };
}
