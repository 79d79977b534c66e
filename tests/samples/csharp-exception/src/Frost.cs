using System;
using System.Threading.Tasks;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Fails with a cause, before or after it has waited.</summary>
    public class Frost
    {
        readonly string season;

        public Frost()
        {
            season = "March";
        }

        public async Task<string> Check(string input, IFunctionContext context)
        {
            if (input.Contains("thaw"))
            {
                return season;
            }
            if (input.Contains("wait"))
            {
                await Task.Delay(5);
            }
            try
            {
                return Measure();
            }
            catch (ArgumentException cold)
            {
                throw new InvalidOperationException("everything froze in " + season, cold);
            }
        }

        static string Measure()
        {
            throw new ArgumentException("minus twelve");
        }
    }
}
