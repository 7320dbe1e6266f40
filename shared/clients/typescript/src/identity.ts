/** @internal One name for who somebody is: in the maps here, and in `presence`. */
export const nameOf = ({ type, id }: { type: string; id: string }): string => `${type}:${id}`;
