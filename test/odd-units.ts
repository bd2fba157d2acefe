/** Values that nothing takes: no number, no name, no options, no view, no handler. */
export const ODD_VALUES: Record<string, unknown> = {
  null: null,
  true: true,
  symbol: Symbol('odd'),
  bigint: 3n,
  NaN: Number.NaN,
  half: 0.5,
  large: 2 ** 53,
  '{ oddOption }': { oddOption: 1 },
  '[null]': [null],
  'a Proxy of a function': new Proxy(() => {}, {}),
  'a Proxy of a view': new Proxy(new Uint8Array(8), {}),
  'a view in name alone': Object.create(Uint8Array.prototype),
  'an object without a prototype': Object.assign(Object.create(null), { odd: 1 }),
};
