import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Begins to watch the process's resident memory.
 * @returns by how many bytes it rose at its highest since then. On Linux the high-water mark is reset first; elsewhere only
 *   growth beyond the process's earlier peak is seen.
 */
export function watchMemory(): () => number {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    const before = process.resourceUsage().maxRSS;
    return () => (process.resourceUsage().maxRSS - before) * 1024;
  }
  const before = statusField('VmRSS');
  return () => statusField('VmHWM') - before;
}

function statusField(name: string): number {
  const match = new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match![1]) * 1024;
}
