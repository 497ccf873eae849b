// Small matrix products of attention, whose operands are words of 32 bits: one float, or a pair of
// bfloat16 that is multiplied and added at once.
//
// Included by the kernel in the file of each kind of processor, which defines `Machine`: its
// vector, `Word` operations and tile. Everything here is local to that file. Shape letters: M rows,
// N columns, K words of the sum.

/// The left side: M rows of K words, `stride` words apart.
struct Left {
  const Word* at;
  int64_t stride;
};

/// The right side: K rows of N words, N a multiple of a vector.
struct Right {
  const Word* at;
  int64_t stride;
};

struct Product {
  float* at;
  int64_t stride;
};

int64_t padded(int64_t n) {
  return (n + lanes - 1) / lanes * lanes;
}

template <int rows, int vectors>
void tile(const Left& a, const Right& b, int64_t k_words, const Product& c) {
  Vector sum[rows][vectors] = {};
  const Word* right = b.at;
  for (int64_t k = 0; k < k_words; ++k, right += b.stride) {
    WordVector column[vectors];
    for (int v = 0; v < vectors; ++v) column[v] = load_words(right + v * lanes);
    for (int r = 0; r < rows; ++r) {
      const WordVector row = broadcast(a.at[r * a.stride + k]);
      for (int v = 0; v < vectors; ++v) sum[r][v] = multiply_add(sum[r][v], row, column[v]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    for (int v = 0; v < vectors; ++v) store_vector(c.at + r * c.stride + v * lanes, sum[r][v]);
  }
}

template <int vectors>
void rest(int64_t rows, const Left& a, const Right& b, int64_t k_words, const Product& c) {
  switch (rows) {
    case 5:
      return tile<5, vectors>(a, b, k_words, c);
    case 4:
      return tile<4, vectors>(a, b, k_words, c);
    case 3:
      return tile<3, vectors>(a, b, k_words, c);
    case 2:
      return tile<2, vectors>(a, b, k_words, c);
    case 1:
      return tile<1, vectors>(a, b, k_words, c);
    default:
      return;
  }
}

template <int vectors>
void strip(int64_t m, const Left& a, const Right& b, int64_t k_words, const Product& c) {
  constexpr int64_t rows = 6;
  int64_t r = 0;
  for (; r + rows <= m; r += rows) {
    tile<rows, vectors>({a.at + r * a.stride, a.stride}, b, k_words,
                        {c.at + r * c.stride, c.stride});
  }
  rest<vectors>(m - r, {a.at + r * a.stride, a.stride}, b, k_words,
                {c.at + r * c.stride, c.stride});
}

/// c [M,N] = a b.
void multiply(int64_t m, int64_t n, int64_t k_words, const Left& a, const Right& b,
              const Product& c) {
  const int64_t vectors = n / lanes;
  int64_t done = 0;
  for (int64_t strips = (vectors + tile_vectors - 1) / tile_vectors; strips > 0; --strips) {
    const int64_t width = (vectors - done + strips - 1) / strips;
    const Right right{b.at + done * lanes, b.stride};
    const Product out{c.at + done * lanes, c.stride};
    if (width == 1) strip<1>(m, a, right, k_words, out);
    if (width == 2) strip<2>(m, a, right, k_words, out);
    if (tile_vectors > 2 && width == 3) strip<3>(m, a, right, k_words, out);
    if (tile_vectors > 2 && width == 4) strip<4>(m, a, right, k_words, out);
    done += width;
  }
}

/// The words of rows as they lie, for a left side or to be turned into a right one.
const Word* words(const Value* x) {
  return reinterpret_cast<const Word*>(x);
}

/// Right side of x^T: out [D words][padded rows] from x [rows][D].
void transpose_words(const Rows<const Value>& x, int64_t rows, int64_t k_words, Word* out) {
  const int64_t stride = padded(rows);
  for (int64_t r = 0; r < rows; ++r) {
    const Word* row = words(x.at + r * x.stride);
    for (int64_t k = 0; k < k_words; ++k) out[k * stride + r] = row[k];
  }
  for (int64_t k = 0; k < k_words; ++k) {
    for (int64_t r = rows; r < stride; ++r) out[k * stride + r] = 0;
  }
}

/// Right side of x: out [words of rows][padded D] from x [rows][D]; a row that a word lacks is
/// zero.
void pack_rows(const Rows<const Value>& x, int64_t rows, int64_t width, Word* out) {
  const int64_t stride = padded(width);
  const int64_t count = (rows + per_word - 1) / per_word;
  for (int64_t k = 0; k < count; ++k) {
    const Value* __restrict first = x.at + k * per_word * x.stride;
    const bool alone = (k + 1) * per_word > rows;
    const Value* __restrict second = alone ? first : first + (per_word - 1) * x.stride;
    Word* __restrict to = out + k * stride;
    if (alone) {
      for (int64_t i = 0; i < width; ++i) to[i] = word_of(first[i], Value(0));
    } else {
      for (int64_t i = 0; i < width; ++i) to[i] = word_of(first[i], second[i]);
    }
    for (int64_t i = width; i < stride; ++i) to[i] = 0;
  }
}

/// Left side of x^T: out [D][words of rows] from what `pack_rows` made.
void transpose_packed(const Word* packed, int64_t count, int64_t width, Word* out) {
  const int64_t stride = padded(width);
  for (int64_t i = 0; i < width; ++i) {
    for (int64_t k = 0; k < count; ++k) out[i * count + k] = packed[k * stride + i];
  }
}
