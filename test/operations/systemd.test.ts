import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkPage, readWorld } from '../../scripts/docs-check.ts';
import { CONFIG_EXIT_CODE } from '../../src/cli/config-options.ts';
import { loadConfig } from '../../src/config/config.ts';
import { REPOSITORY } from '../support/service.ts';

const unit = readFileSync(join(REPOSITORY, 'deploy/systemd/logforge.service'), 'utf8');

function settingsOf(name: string): string[] {
  return [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map((match) => match[1] ?? '');
}

describe('the systemd unit', () => {
  it('runs commands and flags that exist', async () => {
    const commands = [...settingsOf('ExecStartPre'), ...settingsOf('ExecStart')];
    expect(commands).toHaveLength(2);
    const page = commands.map((command) => command.replace(/^\/\S*\//, '')).join('\n');
    expect(checkPage('unit', `\`\`\`sh\n${page}\n\`\`\``, await readWorld())).toEqual([]);
  });

  it('gives a stop more time than the service needs', () => {
    const { shutdownTimeout } = loadConfig().config.server;
    expect(Number(settingsOf('TimeoutStopSec')[0]) * 1000).toBeGreaterThan(shutdownTimeout);
  });

  it('does not restart with a wrong configuration', () => {
    const [status] = Object.keys(CONFIG_EXIT_CODE);
    expect(settingsOf('RestartPreventExitStatus')[0]?.split(' ')).toContain(status);
  });
});
