// float32 as words of attention's products; `Vector` and `tile_vectors` come from the file of the
// processor.

using Value = float;
using Word = float;
using WordVector = Vector;

constexpr int64_t per_word = 1;
constexpr int64_t lanes = sizeof(Vector) / sizeof(float);

WordVector load_words(const Word* from) {
  WordVector vector;
  __builtin_memcpy(&vector, from, sizeof(vector));
  return vector;
}

void store_vector(float* to, Vector vector) {
  __builtin_memcpy(to, &vector, sizeof(vector));
}

void store_values(Value* to, Vector vector) {
  store_vector(to, vector);
}

WordVector broadcast(Word word) {
  return word - WordVector{};
}

Vector multiply_add(Vector sum, WordVector a, WordVector b) {
  return sum + a * b;
}

Word word_of(Value value, Value) {
  return value;
}
