// Attention of one sequence and head, forward and backward, over the products of
// attention_products.h. Scores never leave the cache.
//
// Backward works on transposed scores [K,Q]: then no product needs a transposed matrix of scores.
// Shape letters: Q queries, K keys, D width of a head.

#include "ops/cpu/attention_vectors.h"

#include "ops/cpu/attention_products.h"

// Rows of scores that are made at a time.
constexpr int64_t score_rows = 24;

int64_t word_count(int64_t values) {
  return (values + per_word - 1) / per_word;
}

/// Hands out pieces of a block of memory, each aligned to 64 bytes; counts only where it is null.
class Pieces {
 public:
  explicit Pieces(void* at) : at_(static_cast<char*>(at)) {}

  float* floats(int64_t count) { return static_cast<float*>(take(count, sizeof(float))); }
  Word* words(int64_t count) { return static_cast<Word*>(take(count, sizeof(Word))); }
  Value* values(int64_t count) { return static_cast<Value*>(take(count, sizeof(Value))); }
  size_t used() const { return used_; }

 private:
  void* take(int64_t count, size_t size) {
    void* piece = at_ == nullptr ? nullptr : at_ + used_;
    used_ += (static_cast<size_t>(count) * size + 63) / 64 * 64;
    return piece;
  }

  char* at_;
  size_t used_ = 0;
};

struct ForwardScratch {
  Word *k_transposed, *v_packed;
  float *scores, *out;
  Value* weights;

  ForwardScratch(Pieces& pieces, int64_t keys, int64_t width)
      : k_transposed(pieces.words(word_count(width) * padded(keys))),
        v_packed(pieces.words(word_count(keys) * padded(width))),
        scores(pieces.floats(score_rows * padded(keys))),
        out(pieces.floats(score_rows * padded(width))),
        weights(pieces.values(score_rows * padded(keys))) {}
};

struct BackwardScratch {
  Word *q_transposed, *dout_transposed, *q_packed, *dout_packed, *k_packed, *k_left, *ds_packed;
  float *scores, *dweights, *dkey, *dvalue, *dquery, *log_sums, *deltas;
  Value *weights, *ds;

  BackwardScratch(Pieces& pieces, int64_t queries, int64_t keys, int64_t width) {
    const int64_t rows = padded(queries);
    const int64_t columns = padded(width);
    q_transposed = pieces.words(word_count(width) * rows);
    dout_transposed = pieces.words(word_count(width) * rows);
    q_packed = pieces.words(word_count(queries) * columns);
    dout_packed = pieces.words(word_count(queries) * columns);
    k_packed = pieces.words(word_count(keys) * columns);
    k_left = pieces.words(word_count(keys) * columns);
    ds_packed = pieces.words(word_count(keys) * rows);
    scores = pieces.floats(score_rows * rows);
    dweights = pieces.floats(score_rows * rows);
    dkey = pieces.floats(score_rows * columns);
    dvalue = pieces.floats(score_rows * columns);
    dquery = pieces.floats(width * rows);
    log_sums = pieces.floats(rows);
    deltas = pieces.floats(rows);
    weights = pieces.values(score_rows * rows);
    ds = pieces.values(keys * rows);
  }
};

size_t scratch_bytes(int64_t queries, int64_t keys, int64_t width) {
  Pieces forward(nullptr);
  ForwardScratch(forward, keys, width);
  Pieces backward(nullptr);
  BackwardScratch(backward, queries, keys, width);
  return forward.used() > backward.used() ? forward.used() : backward.used();
}

/// Sum of a row's exponentials, and its largest scaled score.
struct RowSum {
  float sum, largest;
};

/// Exponentials of one row of scores, up to a factor, as weights; what pads the row is zero.
RowSum exponentials(const float* scores, int64_t keys, float scale, Value* weights) {
  const int64_t whole = keys / lanes * lanes;
  const Vector lowest = Vector{} - __builtin_inff();
  Vector largest_of = first_lanes(keys - whole, load_vector(scores + whole), lowest);
  for (int64_t i = 0; i < whole; i += lanes) {
    const Vector found = load_vector(scores + i);
    largest_of = largest_of < found ? found : largest_of;
  }
  const float largest = largest_lane(largest_of);
  const auto weight_of = [&](int64_t i) {
    return exp2_of((load_vector(scores + i) - largest) * (scale * log2_of_e));
  };
  Vector sum = {};
  for (int64_t i = 0; i < whole; i += lanes) {
    const Vector weight = weight_of(i);
    sum += weight;
    store_values(weights + i, weight);
  }
  if (whole < keys) {
    const Vector weight = first_lanes(keys - whole, weight_of(whole), Vector{});
    sum += weight;
    store_values(weights + whole, weight);
  }
  return {sum_of_lanes(sum), largest * scale};
}

void clear(Value* at, int64_t count) {
  __builtin_memset(at, 0, static_cast<size_t>(count) * sizeof(Value));
}

void store_row(const float* __restrict from, float factor, int64_t width, Value* __restrict to) {
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) store(from[i] * factor, to + i);
}

void forward(const AttentionForward<Value>& a, void* memory) {
  const AttentionTask<Value>& t = a.task;
  const int64_t columns = padded(t.keys);
  Pieces pieces(memory);
  const ForwardScratch s(pieces, t.keys, t.width);
  transpose_words(t.k, t.keys, word_count(t.width), s.k_transposed);
  pack_rows(t.v, t.keys, t.width, s.v_packed);
  for (int64_t start = 0; start < t.queries; start += score_rows) {
    const int64_t rows = t.queries - start < score_rows ? t.queries - start : score_rows;
    multiply(rows, columns, word_count(t.width),
             {words(t.q.at + start * t.q.stride), t.q.stride / per_word}, {s.k_transposed, columns},
             {s.scores, columns});
    float factors[score_rows];
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t seen = t.causal ? start + r + 1 : t.keys;
      Value* weights = s.weights + r * columns;
      const RowSum row = exponentials(s.scores + r * columns, seen, t.scale, weights);
      clear(weights + padded(seen), columns - padded(seen));
      factors[r] = 1 / row.sum;
      a.log_sums[start + r] = row.largest + __builtin_logf(row.sum);
    }
    multiply(rows, padded(t.width), word_count(t.keys), {words(s.weights), columns / per_word},
             {s.v_packed, padded(t.width)}, {s.out, padded(t.width)});
    for (int64_t r = 0; r < rows; ++r) {
      store_row(s.out + r * padded(t.width), factors[r], t.width,
                a.out.at + (start + r) * a.out.stride);
    }
  }
}

/// Row sums of dout * out, and logarithms to base 2; those of rows that pad the queries are zero.
void prepare_rows(const AttentionBackward<Value>& a, const BackwardScratch& s) {
  const int64_t queries = a.task.queries;
  for (int64_t q = 0; q < queries; ++q) {
    const Value* __restrict out = a.out.at + q * a.out.stride;
    const Value* __restrict dout = a.dout.at + q * a.dout.stride;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < a.task.width; ++i) sum += load(out + i) * load(dout + i);
    s.deltas[q] = sum;
    s.log_sums[q] = a.log_sums[q] * log2_of_e;
  }
  for (int64_t q = queries; q < padded(queries); ++q) s.deltas[q] = s.log_sums[q] = 0;
}

/// Weights and gradients of the scores of one key, from its scores and the gradients of its
/// weights.
void score_gradients(const BackwardScratch& s, int64_t count, float scale, const float* scores,
                     const float* dweights, Value* weights, Value* ds) {
  const float factor = scale * log2_of_e;
  for (int64_t i = 0; i < count; i += lanes) {
    const Vector weight = exp2_of(load_vector(scores + i) * factor - load_vector(s.log_sums + i));
    const Vector gradient = load_vector(dweights + i) - load_vector(s.deltas + i);
    store_values(weights + i, weight);
    store_values(ds + i, weight * gradient * scale);
  }
}

/// dk and dv of keys `start` to `start + rows`, and their rows of ds.
void key_gradients(const AttentionBackward<Value>& a, const BackwardScratch& s, int64_t start,
                   int64_t rows) {
  const AttentionTask<Value>& t = a.task;
  const int64_t queries = padded(t.queries);
  const int64_t columns = padded(t.width);
  const int64_t d_words = word_count(t.width);
  Value* ds = s.ds + start * queries;
  multiply(rows, queries, d_words, {words(t.k.at + start * t.k.stride), t.k.stride / per_word},
           {s.q_transposed, queries}, {s.scores, queries});
  multiply(rows, queries, d_words, {words(t.v.at + start * t.v.stride), t.v.stride / per_word},
           {s.dout_transposed, queries}, {s.dweights, queries});
  for (int64_t r = 0; r < rows; ++r) {
    score_gradients(s, queries, t.scale, s.scores + r * queries, s.dweights + r * queries,
                    s.weights + r * queries, ds + r * queries);
    if (!t.causal) continue;
    clear(s.weights + r * queries, start + r);
    clear(ds + r * queries, start + r);
  }
  multiply(rows, columns, word_count(t.queries), {words(s.weights), queries / per_word},
           {s.dout_packed, columns}, {s.dvalue, columns});
  multiply(rows, columns, word_count(t.queries), {words(ds), queries / per_word},
           {s.q_packed, columns}, {s.dkey, columns});
  for (int64_t r = 0; r < rows; ++r) {
    store_row(s.dvalue + r * columns, 1, t.width, a.dv.at + (start + r) * a.dv.stride);
    store_row(s.dkey + r * columns, 1, t.width, a.dk.at + (start + r) * a.dk.stride);
  }
}

void query_gradients(const AttentionBackward<Value>& a, const BackwardScratch& s) {
  const AttentionTask<Value>& t = a.task;
  const int64_t queries = padded(t.queries);
  const int64_t key_words = word_count(t.keys);
  pack_rows({s.ds, queries}, t.keys, queries, s.ds_packed);
  multiply(t.width, queries, key_words, {s.k_left, key_words}, {s.ds_packed, queries},
           {s.dquery, queries});
  const int64_t whole = t.width / lanes * lanes;
  for (int64_t q = 0; q < t.queries; q += lanes) {
    const int64_t rows = t.queries - q < lanes ? t.queries - q : lanes;
    for (int64_t i = 0; i < whole; i += lanes) {
      const Square square = transposed(s.dquery + i * queries + q, queries, lanes);
      for (int64_t r = 0; r < rows; ++r) {
        store_values(a.dq.at + (q + r) * a.dq.stride + i, reinterpret_cast<Vector>(square.row[r]));
      }
    }
    for (int64_t r = q; r < q + rows; ++r) {
      for (int64_t i = whole; i < t.width; ++i) {
        store(s.dquery[i * queries + r], a.dq.at + r * a.dq.stride + i);
      }
    }
  }
}

void backward(const AttentionBackward<Value>& a, void* memory) {
  const AttentionTask<Value>& t = a.task;
  Pieces pieces(memory);
  const BackwardScratch s(pieces, t.queries, t.keys, t.width);
  transpose_words(t.q, t.queries, word_count(t.width), s.q_transposed);
  transpose_words(a.dout, t.queries, word_count(t.width), s.dout_transposed);
  pack_rows(t.q, t.queries, t.width, s.q_packed);
  pack_rows(a.dout, t.queries, t.width, s.dout_packed);
  pack_rows(t.k, t.keys, t.width, s.k_packed);
  transpose_packed(s.k_packed, word_count(t.keys), t.width, s.k_left);
  prepare_rows(a, s);
  for (int64_t start = 0; start < t.keys; start += score_rows) {
    key_gradients(a, s, start, t.keys - start < score_rows ? t.keys - start : score_rows);
  }
  query_gradients(a, s);
}
