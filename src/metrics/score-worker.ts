/** A thread of `score`. */
import workerpool from 'workerpool';
import { scoreImage } from './score-image';

workerpool.worker({ scoreImage });
