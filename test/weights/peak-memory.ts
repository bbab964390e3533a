import { readFileSync, writeFileSync } from 'node:fs';

/**
 * Runs `action` and returns by how many bytes the process's resident memory rose at its highest above what it was before.
 * On Linux the high-water mark is reset first; elsewhere only growth beyond the process's earlier peak is seen.
 */
export function peakMemoryOf(action: () => void): number {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    const before = process.resourceUsage().maxRSS;
    action();
    return (process.resourceUsage().maxRSS - before) * 1024;
  }
  const before = statusField('VmRSS');
  action();
  return statusField('VmHWM') - before;
}

function statusField(name: string): number {
  const match = new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match![1]) * 1024;
}
