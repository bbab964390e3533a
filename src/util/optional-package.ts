/** Packages that a user may or may not have installed beside the kit. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { PACKAGE_ROOT } from './versions';

const kitRequire = createRequire(join(PACKAGE_ROOT, 'package.json'));

/** True where `request` (a package, or a file in one) can be loaded. */
export function isInstalled(request: string): boolean {
  try {
    kitRequire.resolve(request);
    return true;
  } catch {
    return false;
  }
}

/** The path of a file in an installed package. */
export function packagePath(request: string): string {
  return kitRequire.resolve(request);
}

/** Loads it; the caller knows its shape. */
export function loadPackage<T>(request: string): T {
  return kitRequire(request) as T;
}
