/** The part of the stored state that is damaged. */
export const DAMAGE_KINDS = ['journal', 'keys', 'spool', 'hours', 'state', 'schemas'] as const;
export type DamageKind = (typeof DAMAGE_KINDS)[number];
