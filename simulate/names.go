package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// word is a part of a Chinese name: as written, and in the pinyin that e-mail
// addresses are made of.
type word struct{ han, pinyin string }

var surnames = words("王Wang 李Li 张Zhang 刘Liu 陈Chen 杨Yang 赵Zhao 黄Huang 周Zhou 吴Wu 徐Xu 孙Sun 胡Hu 朱Zhu 高Gao 林Lin 何He 郭Guo 马Ma 罗Luo " +
	"梁Liang 宋Song 郑Zheng 谢Xie 韩Han 唐Tang 冯Feng 于Yu 董Dong 萧Xiao 程Cheng 曹Cao 袁Yuan 邓Deng 许Xu 傅Fu 沈Shen 曾Zeng 彭Peng 吕Lv")

var givenNames = words("伟Wei 芳Fang 娜Na 敏Min 静Jing 磊Lei 强Qiang 艳Yan 军Jun 洋Yang 勇Yong 杰Jie 涛Tao 明Ming 超Chao 霞Xia 平Ping 刚Gang 辉Hui 玲Ling " +
	"建华Jianhua 晓燕Xiaoyan 志强Zhiqiang 海燕Haiyan 文博Wenbo 雨桐Yutong 子轩Zixuan 思远Siyuan 佳琪Jiaqi 梦瑶Mengyao 俊杰Junjie 欣怡Xinyi 浩然Haoran 雅婷Yating 立新Lixin 国栋Guodong " +
	"丽娟Lijuan 春梅Chunmei 天宇Tianyu 一鸣Yiming")

// western are the names of the offices abroad, given name and surname.
var western = struct{ given, family []string }{
	strings.Fields("Anna Lukas Jonas Sofia Emma Felix Clara Maximilian Hannah Paul Olivia Noah Liam Grace Ethan Maya Daniel Rachel Samuel Chloe Aisha Arjun Priya Marcus Kavitha Rizal Nadia Victor Elena Oscar"),
	strings.Fields("Schmidt Weber Fischer Wagner Becker Hoffmann Krueger Vogel Miller Johnson Davis Wilson Garcia Martinez Brown Clark Lewis Walker Tan Lim Lee Ng Goh Rahman Kumar Nair Pereira Santos Novak Rossi"),
}

func words(s string) []word {
	var out []word
	for _, f := range strings.Fields(s) {
		i := strings.IndexFunc(f, func(r rune) bool { return r < 128 })
		out = append(out, word{f[:i], f[i:]})
	}
	return out
}

// census hands out names, and e-mail addresses of which there are no two.
type census struct {
	r    *rand.Rand
	seen map[string]int
}

func (c *census) name(foreign bool) (name, email string) {
	if foreign && c.r.IntN(5) > 0 {
		given, family := pick(c.r, western.given), pick(c.r, western.family)
		return given + " " + family, c.address(given, family)
	}
	family, given := pick(c.r, surnames), pick(c.r, givenNames)
	name = family.han + given.han + " " + family.pinyin + " " + given.pinyin
	return name, c.address(given.pinyin, family.pinyin)
}

func (c *census) address(given, family string) string {
	local := strings.ToLower(given + "." + family)
	c.seen[local]++
	if n := c.seen[local]; n > 1 {
		local = fmt.Sprintf("%s%d", local, n)
	}
	return local + "@" + domain
}

const domain = "beihu.example"

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
