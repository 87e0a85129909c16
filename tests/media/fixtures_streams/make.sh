#!/bin/sh
# Makes every file of this folder again. Needs ffmpeg, espeak-ng, sox, qpdf (any recent version; other versions
# give other bytes, not other content).
#
# Films of frame codes: frame N (from 0) shows N in binary as eight upright bars, the lowest bit to the
# left, white for 1 and black for 0.
set -eu
cd "$(dirname "$0")"
ff="ffmpeg -v error -y -fflags +bitexact"
exact="-flags:v +bitexact -flags:a +bitexact -fflags +bitexact -map_metadata -1"
code="color=black:s=96x64:r=25,geq=lum='16+219*mod(floor(N/pow(2,floor(X/12))),2)':cb=128:cr=128,format=yuv420p"
x264="-c:v libx264 -preset veryslow -crf 30 -threads 1"

# ---- films of frame codes ----
$ff -f lavfi -i "$code" -f lavfi -i "sine=440:r=16000" -t 6 $exact $x264 -bf 2 -g 40 -keyint_min 40 -sc_threshold 0 -c:a aac -b:a 16k code.mp4
$ff -f lavfi -i "$code" -t 6 $exact $x264 -bf 3 -g 30 -x264-params "open-gop=1:scenecut=0" code_open.mkv
$ff -f lavfi -i "$code" -t 6 $exact $x264 -x264-params "intra-refresh=1:keyint=30:scenecut=0:bframes=0" code_refresh.mkv
# two passes, so that hidden pictures are made
vp8="-c:v libvpx -b:v 60k -g 60 -auto-alt-ref 1 -lag-in-frames 25 -deadline good -cpu-used 0 -threads 1 -passlogfile tmp"
$ff -f lavfi -i "$code" -t 4 $exact $vp8 -pass 1 -f null -
$ff -f lavfi -i "$code" -t 4 $exact $vp8 -pass 2 code_vp8.webm
rm tmp-0.log
$ff -f lavfi -i "$code" -t 4 $exact -c:v libvpx-vp9 -b:v 30k -g 25 -threads 1 code_vp9.webm
$ff -f lavfi -i "$code" -t 3 $exact -c:v mpeg4 -q:v 20 -g 25 -bf 2 code_b.avi
$ff -f lavfi -i "$code" -t 3 $exact -c:v mpeg4 -q:v 20 -g 25 -bf 0 code.avi
$ff -f lavfi -i "$code" -t 2 $exact -c:v mjpeg -q:v 20 -pix_fmt yuvj420p code.mov
$ff -f lavfi -i "$code" -t 2 $exact -c:v libtheora -q:v 3 -g 10 code.ogv
$ff -f lavfi -i "$code" -t 2 $exact -c:v libx265 -preset medium -crf 30 -x265-params "log-level=none:pools=none:frame-threads=1:keyint=20:info=0" -tag:v hvc1 code_hevc.mp4
$ff -f lavfi -i "$code" -t 1 $exact -c:v libaom-av1 -cpu-used 8 -crf 40 -g 10 -threads 1 -pix_fmt yuv420p10le code_av1.mp4
# broadcast and camcorders: packets of 188 bytes and of 192; one that begins and ends anywhere, as recordings do
$ff -f lavfi -i "$code" -t 3 $exact $x264 -bf 2 -g 25 -keyint_min 25 -sc_threshold 0 -f mpegts code.ts
$ff -f lavfi -i "$code" -t 2 $exact -c:v mpeg2video -q:v 20 -g 12 -bf 2 -threads 1 -f mpegts -mpegts_m2ts_mode 1 code.m2ts
dd if=code.ts of=code_cut.ts bs=188 skip=20 count=70 2>/dev/null
# 29.97 frames per second with a clock of milliseconds, and a broken-off variable rate:
# frame N is shown at N*N/50 seconds.
$ff -f lavfi -i "$code" -frames:v 90 $exact -vf "setpts=N*1001/30000/TB" -r 30000/1001 $x264 -g 30 code_2997.mkv
$ff -f lavfi -i "$code" -frames:v 18 $exact -vf "settb=1/1000,setpts=N*N*20" -vsync passthrough -enc_time_base 1:1000 $x264 -g 6 code_vfr.mp4
$ff -f lavfi -i "$code" -frames:v 18 $exact -vf "settb=1/1000,setpts=N*N*20" -vsync passthrough -enc_time_base 1:1000 $x264 -g 6 code_vfr.mkv

# ---- scenes: from 0, 1.4, 6.2 and 8 s to 10 s ----
$ff -f lavfi -i "color=navy:s=96x64:r=25:d=1.4,drawbox=10:10:30:30:white:fill" -f lavfi -i "testsrc=s=96x64:r=25:d=4.8,format=yuv420p" \
    -f lavfi -i "color=olive:s=96x64:r=25:d=1.8" -f lavfi -i "color=black:s=96x64:r=25:d=2,drawbox=50:20:40:40:red:fill" \
    -filter_complex "[0]format=yuv420p,setsar=1[a];[1]setsar=1[b];[2]format=yuv420p,setsar=1[c];[3]format=yuv420p,setsar=1[d];[a][b][c][d]concat=n=4" \
    $exact $x264 cuts.mp4

# ---- geometry: quarters red, green / blue, white; 64 x 32. FFmpeg 5.1 writes "rotate" counter-clockwise ----
quarters="color=black:s=64x32:r=5,format=gbrp,geq=r='255*(lt(X,32)*lt(Y,16)+gte(X,32)*gte(Y,16))':g='255*gte(X,32)':b='255*gte(Y,16)*1'"
for turn in 90 180 270; do
    $ff -f lavfi -i "$quarters" -frames:v 3 -vf "scale=out_color_matrix=bt601,format=yuv420p" $exact -c:v libx264 -qp 4 -threads 1 tmp.mp4
    $ff -i tmp.mp4 $exact -c copy -metadata:s:v rotate=$turn turn_$turn.mp4
done
rm tmp.mp4
$ff -f lavfi -i "$quarters" -frames:v 3 -vf "scale=out_color_matrix=bt601,format=yuv420p,setsar=3/2" $exact -c:v libx264 -qp 4 -threads 1 sar.mp4

# ---- colours: four flat quarters (200,40,60), (30,180,90), (20,60,210), (128,128,128); 64 x 64 ----
flat="color=black:s=64x64:r=5,format=gbrp,geq=r='if(lt(Y,32),if(lt(X,32),200,30),if(lt(X,32),20,128))':g='if(lt(Y,32),if(lt(X,32),40,180),if(lt(X,32),60,128))':b='if(lt(Y,32),if(lt(X,32),60,90),if(lt(X,32),210,128))'"
sws="flags=accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
lossless="-c:v libx264 -qp 1 -threads 1"
$ff -f lavfi -i "$flat" -frames:v 2 -vf "scale=out_color_matrix=bt601:out_range=tv:$sws,format=yuv420p" $exact $lossless -colorspace smpte170m -color_range tv colour_601.mp4
$ff -f lavfi -i "$flat" -frames:v 2 -vf "scale=out_color_matrix=bt709:out_range=tv:$sws,format=yuv420p" $exact $lossless -colorspace bt709 -color_range tv colour_709.mp4
$ff -f lavfi -i "$flat" -frames:v 2 -vf "scale=out_color_matrix=bt709:out_range=pc:$sws,format=yuv420p" $exact $lossless -colorspace bt709 -color_range pc colour_709_full.mp4
$ff -f lavfi -i "$flat" -frames:v 2 -vf "scale=out_color_matrix=bt601:out_range=tv:$sws,format=yuv420p" $exact $lossless colour_unmarked.mkv
$ff -f lavfi -i "$flat" -frames:v 2 -vf "scale=64:720:flags=neighbor,setsar=1,scale=out_color_matrix=bt709:out_range=tv:$sws,format=yuv420p" $exact $lossless colour_unmarked_hd.mkv
$ff -f lavfi -i "$flat" -frames:v 2 -vf "scale=out_color_matrix=bt2020:out_range=tv:$sws,format=yuv420p10le" $exact -c:v libx265 -x265-params "log-level=none:pools=none:frame-threads=1:info=0:qp=1" -tag:v hvc1 -colorspace bt2020nc -color_range tv colour_2020_10bit.mp4
$ff -f lavfi -i "$flat" -frames:v 2 -vf "scale=out_color_matrix=bt709:out_range=pc:$sws,format=yuv420p10le" $exact -c:v libx265 -x265-params "log-level=none:pools=none:frame-threads=1:info=0:qp=1" -tag:v hvc1 -colorspace bt709 -color_range pc colour_full_10bit.mp4
$ff -f lavfi -i "$flat" -frames:v 1 -vf "scale=63:61:flags=neighbor,setsar=1,scale=out_color_matrix=bt601:out_range=pc:$sws,format=yuvj420p" $exact -c:v mjpeg -q:v 1 colour_odd.mov

# ---- sound: one second of speech in every coding, and channels that differ ----
espeak-ng -w tmp_speech.wav "seven small stones fell"
$ff -i tmp_speech.wav -t 1.25 -ar 16000 -ac 1 $exact -c:a pcm_s16le speech.wav
$ff -i speech.wav $exact -c:a flac speech.flac
$ff -i speech.wav $exact -c:a libmp3lame -b:a 32k speech.mp3
$ff -i speech.wav $exact -c:a libvorbis -q:a 4 speech.ogg
$ff -i speech.wav $exact -c:a libopus -b:a 24k speech.opus
$ff -i speech.wav $exact -c:a aac -b:a 48k speech.m4a
$ff -i speech.wav $exact -c:a aac -b:a 48k speech.aac
$ff -i speech.wav $exact -c:a libopus -b:a 24k speech.mkv
$ff -i speech.wav $exact -c:a libvorbis -q:a 4 speech.webm
$ff -i speech.wav $exact -c:a alac speech.mov
$ff -i speech.wav $exact -c:a adpcm_ms speech.avi
$ff -i speech.wav $exact -c:a mp2 -b:a 48k -f mpegts speech.ts
$ff -i speech.wav $exact -c:a pcm_mulaw speech.aiff
# Six channels that all differ, at 16 kHz so that nothing is resampled.
$ff -f lavfi -i "aevalsrc='0.5*sin(880*2*PI*t)|0.1*sin(440*2*PI*t)|0.3|0|-0.2|0.1':d=0.1:s=16000:c=5.1" $exact -c:a pcm_s24le six.wav
$ff -i speech.wav -i code.mp4 -map 0:a -map 1:v -frames:v 1 $exact -c:a aac -b:a 32k -c:v mjpeg -q:v 20 -disposition:v attached_pic cover.m4a
rm tmp_speech.wav

# Time stamps that jump: 1.024 s of a tone, two seconds of nothing, the rest of the tone up to 4 s.
hole="asetpts=PTS+gte(T\\,1)*2/TB"
$ff -f lavfi -i "sine=440:r=8000:d=2" -af "$hole" $exact -c:a pcm_mulaw hole.mkv
$ff -f lavfi -i "sine=440:r=16000:d=2" -af "$hole" $exact -c:a aac -b:a 16k hole.mp4

# ---- documents: pages red 200x100 pt, green 100x200 turned by 90, blue 300x300 cropped to 150x100, text ----
cat > tmp.pdf <<'PDF'
%PDF-1.4
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Count 4/Kids[3 0 R 4 0 R 5 0 R 6 0 R]>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 7 0 R>> endobj
4 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 100 200]/Rotate 90/Contents 8 0 R>> endobj
5 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/CropBox[50 50 200 150]/Contents 9 0 R>> endobj
6 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 10 0 R/Resources<</Font<</F 11 0 R>>>>>> endobj
7 0 obj <</Length 29>> stream
1 0 0 rg 0 0 400 400 re f    
endstream endobj
8 0 obj <</Length 29>> stream
0 1 0 rg 0 0 400 400 re f    
endstream endobj
9 0 obj <</Length 29>> stream
0 0 1 rg 0 0 400 400 re f    
endstream endobj
10 0 obj <</Length 49>> stream
BT /F 40 Tf 20 40 Td (Seven) Tj ET               
endstream endobj
11 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj
trailer <</Root 1 0 R/Size 12>>
%%EOF
PDF
qpdf --static-id tmp.pdf pages.pdf 2>/dev/null || [ $? -eq 3 ]
qpdf --static-id --allow-weak-crypto --encrypt open own 128 -- pages.pdf locked.pdf
qpdf --static-id --allow-weak-crypto --encrypt "" own 128 -- pages.pdf owner.pdf
sed "s,Count 4,Count 0,; s,Kids.*R\],Kids[]," tmp.pdf >tmp2.pdf
qpdf --static-id tmp2.pdf none.pdf 2>/dev/null || [ $? -eq 3 ]
rm tmp.pdf tmp2.pdf
sox -D -R -n -r 8000 -c 1 -C 7 -t amr-nb tone.amr synth 0.5 sine 440 vol 0.5
