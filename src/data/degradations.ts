/** The degradations by name, as configurations and loader threads give them. */
import { bsrganDegradation } from './bsrgan';
import { bicubicDegradation } from './degradation';

export const DEGRADATIONS = { bicubic: bicubicDegradation, 'bsrgan-like': bsrganDegradation } as const;
export type DegradationName = keyof typeof DEGRADATIONS;
export const DEGRADATION_NAMES = Object.keys(DEGRADATIONS) as DegradationName[];
