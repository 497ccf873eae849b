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

/// `lanes` rows of as many words.
struct Square {
  Bits row[lanes];

  template <typename Item>
  void store(int64_t i, Item* to) const {
    static_assert(sizeof(Item) == sizeof(int32_t));
    __builtin_memcpy(to, &row[i], sizeof(Bits));
  }
};

/// Lane j of row i becomes lane i of row j; of the rows that are read there are `rows`, the others
/// are zero.
template <typename Item>
Square transposed(const Item* from, int64_t stride, int64_t rows) {
  static_assert(sizeof(Item) == sizeof(int32_t));
  Square square;
#pragma GCC unroll 16
  for (int64_t i = 0; i < lanes; ++i) {
    Bits row = {};
    if (i < rows) __builtin_memcpy(&row, from + i * stride, sizeof(row));
    square.row[i] = row;
  }
  Bits place = {};
  for (int32_t j = 0; j < lanes; ++j) place[j] = j;
#pragma GCC unroll 4
  for (int32_t step = lanes / 2; step > 0; step /= 2) {
    const Bits high = (place & step) != 0;
    const Bits first = high ? (place ^ step) + static_cast<int32_t>(lanes) : place;
    const Bits second = high ? place + static_cast<int32_t>(lanes) : place ^ step;
#pragma GCC unroll 16
    for (int64_t i = 0; i < lanes; ++i) {
      if ((i & step) != 0) continue;
      const Bits a = square.row[i];
      const Bits b = square.row[i + step];
      square.row[i] = __builtin_shuffle(a, b, first);
      square.row[i + step] = __builtin_shuffle(a, b, second);
    }
  }
  return square;
}

/// Right side of x^T: out [D words][padded rows] from x [rows][D].
void transpose_words(const Rows<const Value>& x, int64_t rows, int64_t k_words, Word* out) {
  const int64_t stride = padded(rows);
  const int64_t whole = k_words / lanes * lanes;
  for (int64_t r = 0; r < rows; r += lanes) {
    for (int64_t k = 0; k < whole; k += lanes) {
      const Square square =
          transposed(words(x.at + r * x.stride) + k, x.stride / per_word, rows - r);
      for (int64_t i = 0; i < lanes; ++i) square.store(i, out + (k + i) * stride + r);
    }
  }
  for (int64_t k = whole; k < k_words; ++k) {
    for (int64_t r = 0; r < stride; ++r) {
      out[k * stride + r] = r < rows ? words(x.at + r * x.stride)[k] : Word(0);
    }
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
  const int64_t whole = count / lanes * lanes;
  for (int64_t i = 0; i < width; i += lanes) {
    const int64_t columns = width - i < lanes ? width - i : lanes;
    for (int64_t k = 0; k < whole; k += lanes) {
      const Square square = transposed(packed + k * stride + i, stride, lanes);
      for (int64_t c = 0; c < columns; ++c) square.store(c, out + (i + c) * count + k);
    }
    for (int64_t c = i; c < i + columns; ++c) {
      for (int64_t k = whole; k < count; ++k) out[c * count + k] = packed[k * stride + c];
    }
  }
}
