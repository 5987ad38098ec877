// The one place where the language is chosen.
import { en, type Messages } from './en';

export type { Messages } from './en';
export const t: Messages = en;
