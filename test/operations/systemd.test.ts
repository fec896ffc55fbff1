import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkPage, readWorld } from '../../scripts/docs-check.ts';
import { CONFIG_EXIT_CODE } from '../../src/cli/config-options.ts';
import { FORWARD_STOP_MS } from '../../src/cli/forward.ts';
import { loadConfig } from '../../src/config/config.ts';
import { REPOSITORY } from '../support/service.ts';

const USAGE_STATUS = '2';

/** The settings of a unit by their names, each with its values in order. */
function readUnit(file: string) {
  const text = readFileSync(join(REPOSITORY, 'deploy/systemd', file), 'utf8');
  const settings = [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => ({ name, value }));
  const settingsOf = (name: string) => settings.filter((each) => each.name === name).map(({ value }) => value);
  return { settings, settingsOf };
}

const service = readUnit('logforge.service');
const forwarder = readUnit('logforge-forward.service');

describe.each([
  { file: 'logforge.service', unit: service, commands: 2, stopMs: loadConfig().config.server.shutdownTimeout },
  { file: 'logforge-forward.service', unit: forwarder, commands: 1, stopMs: FORWARD_STOP_MS },
])('the systemd unit $file', ({ unit: { settingsOf }, commands, stopMs }) => {
  it('runs commands and flags that exist', async () => {
    const lines = [...settingsOf('ExecStartPre'), ...settingsOf('ExecStart')];
    expect(lines).toHaveLength(commands);
    const page = lines.map((command) => command.replace(/^\/\S*\//, '')).join('\n');
    expect(checkPage('unit', `\`\`\`sh\n${page}\n\`\`\``, await readWorld())).toEqual([]);
  });

  it('gives a stop more time than the program needs', () => {
    expect(Number(settingsOf('TimeoutStopSec')[0]) * 1000).toBeGreaterThan(stopMs);
  });

  it('does not restart with a wrong command line', () => {
    expect(settingsOf('RestartPreventExitStatus')[0]?.split(' ')).toContain(USAGE_STATUS);
  });
});

describe('the unit of the service', () => {
  it('does not restart with a wrong configuration', () => {
    const [status] = Object.keys(CONFIG_EXIT_CODE);
    expect(service.settingsOf('RestartPreventExitStatus')[0]?.split(' ')).toContain(status);
  });
});

describe('the unit of the forwarder', () => {
  it('is hardened as that of the service', () => {
    const hardening = ({ settings }: typeof service) => {
      const first = settings.findIndex(({ name }) => name === 'NoNewPrivileges');
      return settings.slice(first).filter(({ name }) => name !== 'WantedBy');
    };
    expect(hardening(service).length).toBeGreaterThan(10);
    expect(hardening(forwarder)).toEqual(hardening(service));
  });

  it('keeps its checkpoint in its state folder, and may read /var/log', () => {
    const [folder] = forwarder.settingsOf('StateDirectory');
    expect(forwarder.settingsOf('ExecStart')[0]).toContain(`--checkpoint /var/lib/${folder}/`);
    expect(forwarder.settingsOf('SupplementaryGroups')).toEqual(['adm']);
  });
});
