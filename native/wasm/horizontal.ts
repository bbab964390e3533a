/** The sum of a vector's four floats: (0 + 2) + (1 + 3). */
// @ts-ignore: decorator
@inline
export function horizontalSum(v: v128): f32 {
  const two = f32x4.add(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(two, 0) + f32x4.extract_lane(two, 1);
}
