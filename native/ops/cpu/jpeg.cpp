#include "ops/cpu/jpeg.h"

#include <dlfcn.h>

#include <stdexcept>

namespace medcoss {

namespace {

// From turbojpeg.h, whose numbers and signatures are the same in all of version 3.
constexpr int init_decompress = 1;
enum Parameter { stop_on_warning = 0, width = 5, height = 6, precision = 7, colour = 8 };
constexpr int lossless = 15;
constexpr int pixels_rgb = 0;
constexpr int pixels_grey = 6;
enum Colour { colour_rgb = 0, colour_ycc = 1, colour_grey = 2 };

struct Fraction {
  int numerator, denominator;
};

int divisor_for(int64_t image_height, int64_t image_width, int64_t enough) {
  if (enough == 0) return 1;
  for (const int divisor : {8, 4, 2}) {
    const auto fits = [&](int64_t edge) { return edge % divisor == 0 && edge / divisor >= enough; };
    if (fits(image_height) && fits(image_width)) return divisor;
  }
  return 1;
}

}  // namespace

struct JpegTurbo {
  void* (*init)(int);
  void (*destroy)(void*);
  int (*set)(void*, int, int);
  int (*get)(void*, int);
  int (*header)(void*, const uint8_t*, size_t);
  int (*scale)(void*, Fraction);
  int (*decompress)(void*, const uint8_t*, size_t, uint8_t*, int, int);
  void* handle;
};

JpegDecoder::JpegDecoder(const std::string& path) : turbo_(std::make_unique<JpegTurbo>()) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto find = [&](auto& function, const char* name) {
    void* symbol = library == nullptr ? nullptr : dlsym(library, name);
    if (symbol == nullptr) throw std::runtime_error(dlerror());
    function = reinterpret_cast<std::decay_t<decltype(function)>>(symbol);
  };
  find(turbo_->init, "tj3Init");
  find(turbo_->destroy, "tj3Destroy");
  find(turbo_->set, "tj3Set");
  find(turbo_->get, "tj3Get");
  find(turbo_->header, "tj3DecompressHeader");
  find(turbo_->scale, "tj3SetScalingFactor");
  find(turbo_->decompress, "tj3Decompress8");
  turbo_->handle = turbo_->init(init_decompress);
  if (turbo_->handle == nullptr) throw std::bad_alloc();
  turbo_->set(turbo_->handle, stop_on_warning, 1);
}

JpegDecoder::~JpegDecoder() {
  if (turbo_->handle != nullptr) turbo_->destroy(turbo_->handle);
}

std::optional<Pixels> JpegDecoder::decode(const uint8_t* file, size_t length,
                                          const JpegWish& wish) {
  void* const handle = turbo_->handle;
  const auto has = [&](int parameter) { return turbo_->get(handle, parameter); };
  if (turbo_->header(handle, file, length) != 0) return std::nullopt;
  const int kind = has(colour);
  const bool known = kind == colour_rgb || kind == colour_ycc || kind == colour_grey;
  if (!known || has(precision) != 8 || has(lossless) != 0) return std::nullopt;
  Pixels image{nullptr, has(height), has(width), kind == colour_grey || wish.luma ? 1 : 3};
  if (image.height * image.width > wish.most_pixels) return std::nullopt;
  const int divisor = divisor_for(image.height, image.width, wish.enough_pixels);
  image.height /= divisor;
  image.width /= divisor;
  pixels_.resize(image.height * image.width * image.channels);
  image.pixels = pixels_.data();
  const int format = image.channels == 1 ? pixels_grey : pixels_rgb;
  const bool done = turbo_->scale(handle, {1, divisor}) == 0 &&
                    turbo_->decompress(handle, file, length, pixels_.data(), 0, format) == 0;
  return done ? std::optional(image) : std::nullopt;
}

}  // namespace medcoss
