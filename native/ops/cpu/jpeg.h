// JPEGs by libjpeg-turbo, without LibTorch.
//
// Invariant: an image is decoded without any remark of libjpeg or not at all, so damaged files are
// left to a decoder that judges them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace medcoss {

struct JpegTurbo;

struct JpegWish {
  /// Pixels of an image that are too many.
  int64_t most_pixels;
  /// Pixels of the shorter edge that are enough, so that libjpeg may make an image at a half, a
  /// quarter or an eighth of its size where both edges divide by that; 0: the whole image.
  int64_t enough_pixels;
  /// Whether a colour image is wanted as its luma.
  bool luma;
};

/// Bytes [height,width,channels], valid until the decoder's next image; 1 or 3 channels, RGB.
struct Pixels {
  const uint8_t* pixels;
  int64_t height, width, channels;
};

class JpegDecoder {
 public:
  /// Opens the library at `path`; throws std::runtime_error with the dynamic linker's words.
  explicit JpegDecoder(const std::string& path);
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// Nothing for what is not 8-bit grey, YCbCr or RGB, is too large, or is not as it should be.
  std::optional<Pixels> decode(const uint8_t* file, size_t length, const JpegWish& wish);

 private:
  std::unique_ptr<JpegTurbo> turbo_;
  std::vector<uint8_t> pixels_;
};

}  // namespace medcoss
