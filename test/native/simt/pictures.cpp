// Patches on the host against their definition; with two arguments, crops of images from a file to
// a file: int64 images, height, width, channels, size, then crops float32, flips and pixels.
#include <fstream>

#include "checks.h"
#include "ops/cuda/picture_kernels.h"

using namespace medcoss;
using simt::Buffer;
using simt::compare;
using simt::fill;
using std::vector;

namespace {

constexpr size_t edge = 16;

struct Grid {
  size_t samples, depth, height, width;
};

// Flips, partners and weights of a batch.
struct Batch {
  Buffer<uint8_t> flips;
  Buffer<int64_t> partner;
  Buffer<float> weight;
  bool flipped, mixed;

  Batch(size_t samples, bool with_flips, bool with_mixing)
      : flips(samples), partner(samples), weight(samples), flipped(with_flips), mixed(with_mixing) {
    for (size_t i = 0; i < samples; ++i) {
      flips[i] = static_cast<uint8_t>(i * 3 + 1);
      partner[i] = static_cast<int64_t>((i + 1) % samples);
    }
    fill(weight, 9, 0, 1);
  }
  const uint8_t* flips_or_none() const { return flipped ? flips.get() : nullptr; }
  cuda::Mixing mixing() const {
    return mixed ? cuda::Mixing{partner.get(), weight.get()} : cuda::Mixing{nullptr, nullptr};
  }
  size_t mirror(size_t sample, int bit, size_t at, size_t size) const {
    return flipped && (flips[sample] >> bit & 1) ? size - 1 - at : at;
  }
  // value(sample) of a sample and its partner.
  template <typename F>
  double mix(size_t sample, const F& value) const {
    if (!mixed) return value(sample);
    return weight[sample] * value(sample) +
           (1.0 - weight[sample]) * value(static_cast<size_t>(partner[sample]));
  }
  std::string name() const {
    return std::string(flipped ? " flipped" : "") + (mixed ? " mixed" : "");
  }
};

template <typename In>
void check_volumes(const Grid& g, const Batch& batch) {
  const size_t count = g.samples * g.depth * g.height * g.width;
  Buffer<In> voxels(count);
  Buffer<float> patches(count);
  fill(voxels, 1, -900, 3000);
  const auto size = [](size_t n) { return static_cast<int64_t>(n); };
  cuda::volume_patches<In>(
      {voxels.get(), batch.flips_or_none(), batch.mixing(), 0.01F, -0.4F, patches.get(),
       size(g.samples), size(g.depth), size(g.height), size(g.width)},
      nullptr);
  vector<double> expected(count);
  const size_t rows = g.height / edge;
  const size_t columns = g.width / edge;
  for (size_t i = 0; i < count; ++i) {
    const size_t x = i % g.width;
    const size_t y = i / g.width % g.height;
    const size_t z = i / (g.width * g.height) % g.depth;
    const size_t b = i / (g.width * g.height * g.depth);
    const size_t patch = ((b * (g.depth / edge) + z / edge) * rows + y / edge) * columns + x / edge;
    const size_t inside = (z % edge * edge + y % edge) * edge + x % edge;
    expected[patch * edge * edge * edge + inside] = batch.mix(b, [&](size_t s) {
      const size_t zs = batch.mirror(s, 2, z, g.depth);
      const size_t ys = batch.mirror(s, 1, y, g.height);
      const size_t xs = batch.mirror(s, 0, x, g.width);
      return voxels[((s * g.depth + zs) * g.height + ys) * g.width + xs] * double{0.01F} - 0.4F;
    });
  }
  compare("volumes of " + std::to_string(sizeof(In)) + " bytes" + batch.name(), patches, expected,
          1e-6);
}

template <typename In>
void check_images(const Grid& g, size_t channels, const Batch& batch) {
  const size_t count = g.samples * g.height * g.width;
  Buffer<In> pixels(count * channels);
  Buffer<float> patches(count * 3);
  const double unit = sizeof(In) == 1 ? 255 : 1;
  fill(pixels, 2, 0, unit);
  const auto size = [](size_t n) { return static_cast<int64_t>(n); };
  cuda::image_patches<In>({pixels.get(), batch.flips_or_none(), batch.mixing(), patches.get(),
                           size(g.samples), size(g.height), size(g.width), size(channels)},
                          nullptr);
  vector<double> expected(count * 3);
  for (size_t i = 0; i < count * 3; ++i) {
    const size_t c = i % 3;
    const size_t x = i / 3 % g.width;
    const size_t y = i / 3 / g.width % g.height;
    const size_t b = i / 3 / g.width / g.height;
    const size_t patch = (b * (g.height / edge) + y / edge) * (g.width / edge) + x / edge;
    expected[patch * edge * edge * 3 + (y % edge * edge + x % edge) * 3 + c] =
        batch.mix(b, [&](size_t s) {
          const size_t xs = batch.mirror(s, 0, x, g.width);
          const size_t channel = channels == 3 ? c : 0;
          return pixels[((s * g.height + y) * g.width + xs) * channels + channel] / unit;
        });
  }
  compare("images of " + std::to_string(sizeof(In)) + " bytes, " + std::to_string(channels) +
              " channels" + batch.name(),
          patches, expected, 1e-6);
}

void check_patches() {
  for (const bool flipped : {false, true}) {
    for (const bool mixed : {false, true}) {
      const Batch batch(5, flipped, mixed);
      check_volumes<int16_t>({5, 16, 48, 32}, batch);
      check_volumes<float>({5, 32, 16, 32}, batch);
      check_images<uint8_t>({5, 1, 32, 48}, 3, batch);
      check_images<uint8_t>({5, 1, 16, 32}, 1, batch);
      check_images<float>({5, 1, 48, 16}, 3, batch);
      check_images<float>({5, 1, 32, 32}, 1, batch);
    }
  }
}

template <typename T>
void read(std::istream& in, Buffer<T>& to) {
  in.read(reinterpret_cast<char*>(to.get()), static_cast<std::streamsize>(to.size() * sizeof(T)));
}

// All batches of a file.
void crop(std::istream& in, std::ostream& out) {
  Buffer<int64_t> sizes(5);
  for (;;) {
    read(in, sizes);
    if (!in) return;
    const auto images = static_cast<size_t>(sizes[0]);
    const auto channels = static_cast<size_t>(sizes[3]);
    const auto size = static_cast<size_t>(sizes[4]);
    Buffer<float> crops(4 * images);
    Buffer<uint8_t> flips(images);
    Buffer<uint8_t> pixels(images * static_cast<size_t>(sizes[1] * sizes[2]) * channels);
    read(in, crops);
    read(in, flips);
    read(in, pixels);
    Buffer<uint8_t> result(images * size * size * channels);
    cuda::CropResize p{pixels.get(), crops.get(), flips.get(), result.get(), sizes[0], sizes[1],
                       sizes[2],     sizes[3],    sizes[4],    nullptr,      nullptr};
    Buffer<int32_t> weights(static_cast<size_t>(cuda::crop_resize_weights(p)));
    Buffer<uint8_t> between(static_cast<size_t>(cuda::crop_resize_between(p)));
    p.weights = weights.get();
    p.between = between.get();
    cuda::crop_resize(p, nullptr);
    if (!result.intact() || !weights.intact() || !between.intact()) std::abort();
    out.write(reinterpret_cast<const char*>(result.get()),
              static_cast<std::streamsize>(result.size()));
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    check_patches();
    return 0;
  }
  std::ifstream in(arguments[1], std::ios::binary);
  std::ofstream out(arguments[2], std::ios::binary);
  crop(in, out);
}
