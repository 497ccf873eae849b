// Attention kernels on the host against their definition in float64.
#include <algorithm>
#include <limits>

#include "checks.h"
#include "ops/cuda/attention_kernels.h"

using namespace medcoss;
using simt::bf16;
using simt::Buffer;
using simt::compare;
using simt::fill;
using simt::real;
using std::vector;

namespace {

struct Case {
  const char* name;
  int width, heads;
  vector<int> queries, keys;  // lengths
  bool even, apart;           // whether q, k and v are rows of their own
  double size = 1;            // of q and k
  double bound = 3e-3;        // of gradients
};

int most(const vector<int>& lengths) {
  return *std::max_element(lengths.begin(), lengths.end());
}
size_t total(const vector<int>& lengths) {
  size_t sum = 0;
  for (const int length : lengths) sum += static_cast<size_t>(length);
  return sum;
}

/// Rows of a matrix, wider than the part that is used, with what stood around it before.
struct Part {
  Buffer<bf16> whole;
  vector<uint16_t> before;
  size_t rows, width, first, stride;

  Part(size_t row_count, size_t part_width, size_t index, size_t parts, size_t beyond = 0)
      : whole((row_count + beyond) * part_width * parts),
        rows(row_count),
        width(part_width),
        first(index * part_width),
        stride(part_width * parts) {}

  bf16* values() { return whole.get() + first; }
  const bf16* values() const { return whole.get() + first; }
  double at(size_t row, size_t column) const { return real(values()[row * stride + column]); }

  void remember() {
    for (size_t i = 0; i < whole.size(); ++i) before.push_back(whole[i].bits);
  }
  /// As rows of their own; not a number where anything beside them has changed.
  vector<double> written() const {
    vector<double> result;
    bool sound = whole.intact();
    for (size_t i = 0; i < whole.size(); ++i) {
      const size_t column = i % stride;
      const bool inside = column >= first && column < first + width && i / stride < rows;
      if (inside) result.push_back(real(whole[i]));
      sound = sound && (inside || whole[i].bits == before[i]);
    }
    if (!sound) result.assign(result.size(), std::numeric_limits<double>::quiet_NaN());
    return result;
  }
};

void compare_rows(const std::string& name, const vector<double>& found,
                  const vector<double>& expected, double bound) {
  Buffer<double> buffer(found.size());
  std::copy(found.begin(), found.end(), buffer.get());
  compare(name, buffer, expected, bound);
}

struct Expected {
  vector<double> out, log_sums, dq, dk, dv, sums;
};

class Problem {
 public:
  explicit Problem(const Case& c)
      : c_(c),
        width_(static_cast<size_t>(c.width * c.heads)),
        q_(total(c.queries), width_, 0, c.apart ? 1 : 3),
        k_(total(c.keys), width_, c.apart ? 0 : 1, c.apart ? 2 : 3),
        v_(total(c.keys), width_, c.apart ? 1 : 2, c.apart ? 2 : 3),
        dq_(q_.rows, width_, 0, c.apart ? 1 : 3, 1),
        dk_(k_.rows, width_, c.apart ? 0 : 1, c.apart ? 2 : 3, 1),
        dv_(k_.rows, width_, c.apart ? 1 : 2, c.apart ? 2 : 3, 1),
        out_(q_.rows * width_),
        dout_(q_.rows * width_),
        log_sums_(q_.rows * static_cast<size_t>(c.heads)),
        sums_(c.queries.size() * 3 * width_),
        query_starts_(c.queries.size() + 1),
        key_starts_(c.keys.size() + 1) {
    fill(q_.whole, 1, -c.size, c.size);
    fill(k_.whole, 2, -c.size, c.size);
    fill(v_.whole, 3);
    fill(dout_, 4);
    for (Part* part : {&dq_, &dk_, &dv_}) part->remember();
    starts(c.queries, query_starts_);
    starts(c.keys, key_starts_);
  }

  void check() {
    const Expected e = expected();
    const std::string name = c_.name;
    cuda::attention_forward({shape(), heads(q_), heads(k_), heads(v_), out_.get(), log_sums_.get()},
                            nullptr);
    compare(name + " out", out_, e.out, 3e-3);
    compare(name + " log_sums", log_sums_, e.log_sums, 2e-6);
    cuda::attention_backward(
        {shape(), heads(q_), heads(k_), heads(v_), out_.get(), dout_.get(), log_sums_.get(),
         gradients(dq_), gradients(dk_), gradients(dv_), sums_.get()},
        nullptr);
    compare_rows(name + " dq", dq_.written(), e.dq, c_.bound);
    compare_rows(name + " dk", dk_.written(), e.dk, c_.bound);
    compare_rows(name + " dv", dv_.written(), e.dv, 3e-3);
    compare(name + " sums", sums_, e.sums, c_.bound / 3);
  }

 private:
  static void starts(const vector<int>& lengths, Buffer<int32_t>& to) {
    to[0] = 0;
    for (size_t i = 0; i < lengths.size(); ++i) to[i + 1] = to[i] + lengths[i];
  }
  static cuda::Heads heads(const Part& part) {
    return {part.values(), static_cast<int64_t>(part.stride)};
  }
  static cuda::HeadGradients gradients(Part& part) {
    return {part.values(), static_cast<int64_t>(part.stride)};
  }
  cuda::AttentionShape shape() const {
    return {{c_.even ? nullptr : query_starts_.get(), most(c_.queries)},
            {c_.even ? nullptr : key_starts_.get(), most(c_.keys)},
            static_cast<int>(c_.queries.size()),
            c_.heads,
            c_.width,
            static_cast<int64_t>(q_.rows)};
  }

  Expected expected() const {
    Expected e;
    e.out.resize(out_.size());
    e.dq.resize(out_.size());
    e.dk.resize(k_.rows * width_);
    e.dv.resize(k_.rows * width_);
    e.log_sums.resize(log_sums_.size());
    e.sums.resize(sums_.size());
    for (size_t i = 0; i < c_.queries.size(); ++i) {
      for (size_t head = 0; head < static_cast<size_t>(c_.heads); ++head) {
        for (int row = query_starts_[i]; row < query_starts_[i + 1]; ++row)
          query(i, head, static_cast<size_t>(row), e);
        add_sums(i, head, e);
      }
    }
    return e;
  }

  void query(size_t sequence, size_t head, size_t row, Expected& e) const {
    const auto width = static_cast<size_t>(c_.width);
    const size_t column = head * width;
    const auto first = static_cast<size_t>(key_starts_[sequence]);
    const auto count = static_cast<size_t>(key_starts_[sequence + 1]) - first;
    const double scale = 1 / std::sqrt(static_cast<double>(width));
    vector<double> weights(count), gradients(count);
    double sum = 0;
    for (size_t key = 0; key < count; ++key) {
      double score = 0;
      for (size_t j = column; j < column + width; ++j)
        score += q_.at(row, j) * k_.at(first + key, j) * scale;
      sum += weights[key] = std::exp(score);
    }
    e.log_sums[head * q_.rows + row] = std::log(sum);
    double dot = 0;
    for (size_t key = 0; key < count; ++key) {
      weights[key] /= sum;
      for (size_t j = column; j < column + width; ++j) {
        const double value = v_.at(first + key, j);
        const double dout = real(dout_[row * width_ + j]);
        e.out[row * width_ + j] += weights[key] * value;
        e.dv[(first + key) * width_ + j] += weights[key] * dout;
        gradients[key] += dout * value;
      }
      dot += weights[key] * gradients[key];
    }
    for (size_t key = 0; key < count; ++key) {
      const double dscore = weights[key] * (gradients[key] - dot) * scale;
      for (size_t j = column; j < column + width; ++j) {
        e.dq[row * width_ + j] += dscore * k_.at(first + key, j);
        e.dk[(first + key) * width_ + j] += dscore * q_.at(row, j);
      }
    }
  }

  void add_sums(size_t sequence, size_t head, Expected& e) const {
    const auto width = static_cast<size_t>(c_.width);
    double* to = e.sums.data() + sequence * 3 * width_;
    const auto add = [&](const vector<double>& from, const Buffer<int32_t>& starts, size_t part) {
      for (int row = starts[sequence]; row < starts[sequence + 1]; ++row) {
        for (size_t j = head * width; j < (head + 1) * width; ++j)
          to[part * width_ + j] += from[static_cast<size_t>(row) * width_ + j];
      }
    };
    add(e.dq, query_starts_, 0);
    add(e.dk, key_starts_, 1);
    add(e.dv, key_starts_, 2);
  }

  const Case& c_;
  size_t width_;
  Part q_, k_, v_, dq_, dk_, dv_;
  Buffer<bf16> out_, dout_;
  Buffer<float> log_sums_, sums_;
  Buffer<int32_t> query_starts_, key_starts_;
};

}  // namespace

int main() {
  const vector<Case> cases = {
      {"50 of 64", 64, 2, {50, 50}, {50, 50}, true, false},
      {"197 of 32", 32, 2, {197}, {197}, true, false},
      {"147 of 197 of 32", 32, 2, {147, 147}, {197, 197}, true, true},
      {"197 of 64", 64, 1, {147}, {197}, true, true},
      {"1 of 32", 32, 3, {1, 1, 1}, {1, 1, 1}, true, false},
      {"1 of 64", 64, 1, {1}, {1}, true, false},
      {"16 of 32", 32, 1, {16, 16}, {16, 16}, true, false},
      {"16 of 64", 64, 2, {16}, {16}, true, false},
      {"17 of 32", 32, 1, {17, 17}, {17, 17}, true, false},
      {"17 of 64", 64, 1, {17, 17}, {17, 17}, true, false},
      {"256 of 32", 32, 1, {256}, {256}, true, false},
      {"256 of 64", 64, 1, {256}, {256}, true, false},
      {"uneven of 32", 32, 2, {33, 0, 1, 80, 0}, {33, 5, 1, 112, 0}, false, true},
      {"uneven of 64", 64, 2, {7, 40, 0, 112, 1, 65, 0}, {7, 40, 3, 112, 1, 90, 0}, false, true},
      {"padded of 64", 64, 1, {40, 57, 100, 3, 0, 0}, {40, 57, 100, 3, 0, 0}, false, false},
      // Their gradients are small differences of products with outputs, which are rounded.
      {"large scores of 32", 32, 1, {50}, {61}, true, true, 12, 3e-2},
      {"large scores of 64", 64, 1, {50}, {61}, true, true, 12, 3e-2},
  };
  for (const Case& c : cases) Problem(c).check();
}
